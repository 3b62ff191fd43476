/**
 * Which addresses count as clients of the household.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedClients } from '../../src/proxy/clients.ts';

test('addresses in the networks are clients, mapped and scoped ones too; all others are not', () => {
  const isClient = allowedClients(['127.0.0.0/8', '192.168.1.0/24', 'fe80::/10', '::1/128']);
  for (const address of ['127.0.0.1', '127.9.9.9', '::ffff:127.0.0.1', '192.168.1.77', '::1', 'fe80::1%eth0'])
    assert.ok(isClient(address), address);
  for (const address of ['192.168.2.1', '::ffff:8.8.8.8', '::127.0.0.1', '2001:db8::1', '', 'x', undefined])
    assert.ok(!isClient(address), String(address));
  assert.ok(!allowedClients([])('127.0.0.1'));
});

test('what is no network is an error that names it', () => {
  assert.throws(() => allowedClients(['10.0.0.1']), { code: 'config_invalid', message: /10\.0\.0\.1/ });
});
