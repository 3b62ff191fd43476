import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationsOf } from '../../src/lending/destinations.ts';
import { lenderPermit, type PermitOptions } from '../../src/lending/permit.ts';
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

test('that no address of this home is known as the Internet sees it is told once, when it matters', () => {
  const behindRouter = { eth0: [{ address: '192.168.1.2' }] };
  const told = (options: Partial<PermitOptions>, ...addresses: readonly string[]): number => {
    let times = 0;
    const permit = lenderPermit(
      {
        allowNetworks: ['127.0.0.0/8'],
        readInterfaces: () => behindRouter,
        onUnknown: () => (times += 1),
        ...options,
      },
      new FakeClock(),
      () => destinationsOf({ ports: [], deny_hosts: [] }),
    );
    for (const address of addresses) permit(address, 443);
    return times;
  };
  assert.equal(told({}, '127.0.0.1', '192.168.1.1', '2a00:1450::1'), 0, 'nothing of it may be ours');
  assert.equal(told({}, '8.8.8.8', '9.9.9.9'), 1);
  assert.equal(told({ ownNetworks: ['93.184.216.34'] }, '8.8.8.8'), 0);
  assert.equal(told({ readInterfaces: () => ({ ppp0: [{ address: '93.184.216.34' }] }) }, '8.8.8.8'), 0);
});
