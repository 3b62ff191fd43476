import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationsOf } from '../../src/lending/destinations.ts';
import { lenderPermit } from '../../src/lending/permit.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('what is refused first is refused whatever is allowed after it', () => {
  let denied: readonly string[] = [];
  const permit = lenderPermit(
    {
      allowNetworks: ['0.0.0.0/0', '::/0'],
      ownNetworks: ['93.184.216.34', '2a00:1450::/56'],
      isOwnDoor: ({ host, port }) => host === '127.0.0.1' && port === 7467,
      readInterfaces: () => ({}),
    },
    new FakeClock(),
    () => destinationsOf({ ports: [], deny_hosts: denied }),
  );
  assert.equal(permit('127.0.0.1', 7467), 'address_refused');
  assert.equal(permit('127.0.0.1', 80), undefined);
  for (const own of ['93.184.216.34', '2a00:1450::1', '2a00:1450:0:ff::1'])
    assert.equal(permit(own, 80), 'address_refused', own);
  for (const other of ['93.184.216.35', '2a00:1450:0:100::1'])
    assert.equal(permit(other, 80), undefined, other);
  assert.equal(permit('8.8.8.8', 443), undefined);
  denied = ['8.8.8.0/24'];
  assert.equal(permit('8.8.8.8', 443), 'host_refused');
  for (const text of ['fe80::1%lo', '8.8.8', 'name', ''])
    assert.equal(permit(text, 80), 'address_refused', text);
});
