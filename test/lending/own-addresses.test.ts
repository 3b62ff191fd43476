import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { Interfaces } from '../../src/core/interfaces.ts';
import { destinationsOf } from '../../src/lending/destinations.ts';
import { ownAddresses } from '../../src/lending/own-addresses.ts';
import { lenderPermit } from '../../src/lending/permit.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { codeOf, fetchText, startLentLine } from './lent-line.ts';

test('the addresses of all interfaces, without zones, read anew every two seconds', () => {
  const clock = new FakeClock();
  let interfaces: Interfaces = {
    wan: [{ address: '93.184.216.34' }, { address: 'fe80::1%wan' }],
    gone: undefined,
  };
  const addresses = ownAddresses(clock, () => interfaces);
  const shown = (): string[] => (addresses() ?? []).map(String);
  assert.deepEqual(shown(), ['93.184.216.34', 'fe80::1']);
  interfaces = { wan: [{ address: '93.184.216.35' }] };
  clock.advance(1_999);
  assert.deepEqual(shown(), ['93.184.216.34', 'fe80::1']);
  clock.advance(1);
  assert.deepEqual(shown(), ['93.184.216.35']);
});

test('when they can not be read, those read last hold; when they never could, nobody gets anywhere', () => {
  const clock = new FakeClock();
  let canRead = false;
  const readInterfaces = (): Interfaces => {
    if (!canRead) throw new Error('EMFILE');
    return { wan: [{ address: '93.184.216.34' }] };
  };
  const permit = lenderPermit({ allowNetworks: [], readInterfaces }, clock, () =>
    destinationsOf({ ports: [80], deny_hosts: [] }),
  );
  const other = (): string | undefined => permit('93.184.216.35', 80);
  assert.equal(other(), 'address_refused');
  canRead = true;
  clock.advance(2_000);
  assert.equal(other(), undefined);
  canRead = false;
  clock.advance(2_000);
  assert.equal(other(), undefined);
  assert.equal(permit('93.184.216.34', 80), 'address_refused');
});

test('by default they are those of this machine', () => {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  assert.equal(ownAddresses(new FakeClock())()?.length, all.length);
});

test('a lender carries nobody to its own public address, nor to its home', async () => {
  // Addresses that are global, and given to nobody.
  await using line = await startLentLine({
    readInterfaces: () => ({ wan: [{ address: '3000::1' }] }),
    dial: { pinned: new Map([['own.example', '3000::1']]), connectTimeout: 1_000 },
  });
  const [borrower] = line.borrowers;
  for (const origin of ['http://[3000::1]:80', 'http://[3000::2]:80', 'http://own.example:80']) {
    await using peer = await borrower.connect();
    peer.send(fetchText(`${origin}/file`, '0-9', await borrower.lease(origin)));
    assert.equal(codeOf(await peer.message()), 'address_refused', origin);
  }
});
