import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NameAsked } from '../../src/paths/lookups.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import type { RawPeer } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { connectText, fetchText, type LentLine, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

/** A lender whose name server never answers by itself. */
async function startSilent() {
  const asked: NameAsked[] = [];
  const line = await startLentLine({
    dial: { pinned: new Map(), connectTimeout: 30_000, askName: (name) => void asked.push(name) },
  });
  return { line, asked, hosts: () => asked.map(({ host }) => host) };
}

const connections = (line: LentLine): number => line.lender.status().borrowers[0]?.connections ?? 0;

test('tunnels to names that nobody answers for hold one look-up, and none once they are gone', async () => {
  const { line, asked, hosts } = await startSilent();
  await using _line = line;
  const [borrower] = line.borrowers;
  {
    await using stack = new AsyncDisposableStack();
    const peers: RawPeer[] = [];
    for (let i = 0; i < 8; i += 1) {
      const host = `dead-${i}.example`;
      const peer = stack.use(await borrower.connect());
      peers.push(peer);
      peer.send(connectText(`${host}:443`, await borrower.lease(`https://${host}:443`)));
      await until('it is there', () => connections(line) === i + 1 && asked.length === 1);
    }
    assert.deepEqual(hosts(), ['dead-0.example']);
    for (const peer of peers) peer.reset();
  }
  await until('all are gone', () => connections(line) === 0);
  await using peer = await borrower.connect();
  peer.send(connectText('alive.example:443', await borrower.lease('https://alive.example:443')));
  await until('it waits', () => connections(line) === 1 && line.eventsOf('lease_opened').length === 9);
  assert.equal(asked.length, 1);
  asked[0]?.answer(null, []);
  await until('its turn has come', () => asked.length === 2);
  assert.deepEqual(hosts(), ['dead-0.example', 'alive.example']);
  asked[1]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
  assert.match((await peer.rest()).toString(), /address_refused/);
});

test('the same holds for fetches', async () => {
  const { line, asked, hosts } = await startSilent();
  await using _line = line;
  const [borrower] = line.borrowers;
  const send = async (host: string, leases: number) => {
    const peer = await borrower.connect();
    peer.send(fetchText(`http://${host}/file`, '0-9', await borrower.lease(`http://${host}:80`)));
    await until('it waits', () => line.eventsOf('lease_opened').length === leases && asked.length === 1);
    return peer;
  };
  {
    await using _first = await send('dead-0.example', 1);
    await using _second = await send('dead-1.example', 2);
  }
  await until('all are gone', () => connections(line) === 0);
  await using peer = await send('alive.example', 3);
  asked[0]?.answer(null, []);
  await until('its turn has come', () => asked.length === 2);
  assert.deepEqual(hosts(), ['dead-0.example', 'alive.example']);
  asked[1]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
  assert.match((await peer.message()).body.toString(), /address_refused/);
});

test('a borrower is not told whether a name leads to this home or nowhere; the household is', async () => {
  const found: Readonly<Record<string, string>> = {
    nas: '192.168.0.9',
    router: '127.0.0.1',
    denied: '10.0.0.1',
  };
  await using line = await startLentLine({
    allowNetworks: [],
    denyHosts: ['10.0.0.0/8'],
    dial: {
      pinned: new Map(),
      connectTimeout: 1_000,
      askName: ({ host, answer }) => {
        const address = found[host];
        if (address !== undefined) answer(null, [{ address, family: 4 }]);
        else answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
      },
    },
  });
  const [borrower] = line.borrowers;
  const told = async (host: string, mode: 'fetch' | 'tunnel'): Promise<string> => {
    await using peer = await borrower.connect();
    if (mode === 'fetch')
      peer.send(fetchText(`http://${host}/file`, '0-9', await borrower.lease(`http://${host}:80`)));
    else peer.send(connectText(`${host}:443`, await borrower.lease(`https://${host}:443`)));
    return (await peer.rest()).toString().replaceAll(host, 'HOST');
  };
  for (const mode of ['fetch', 'tunnel'] as const) {
    const nowhere = await told('nowhere', mode);
    assert.match(nowhere, /403 (?:.|\n|\r)*"address_refused"/);
    for (const host of Object.keys(found)) assert.equal(await told(host, mode), nowhere, `${host}, ${mode}`);
  }
  assert.deepEqual(
    new Set(line.eventsOf('lend_refused').map(({ code }) => code)),
    new Set(['dns_failed', 'address_refused']),
  );
});
