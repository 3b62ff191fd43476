/** What may be reached changes while a lender carries: at once, for what runs and for what is asked next. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';
import { codeOf, connectText, EVERY_PORT, fetchText, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

const PINNED = { pinned: new Map([['www.bank.example', '127.0.0.1']]), connectTimeout: 3_000 };

for (const [what, settings, code] of [
  ['a name', { ports: EVERY_PORT, deny_hosts: ['bank.example'] }, 'host_refused'],
  ['the address behind a name', { ports: EVERY_PORT, deny_hosts: ['127.0.0.0/8'] }, 'host_refused'],
  ['all ports but one', { ports: [443], deny_hosts: [] }, 'port_refused'],
] as const)
  test(`${what}: what runs is cut, and what is asked next refused, as a fetch and as a tunnel`, async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes: 1_000 }] });
    await using line = await startLentLine({ dial: PINNED });
    const [borrower] = line.borrowers;
    const url = `http://www.bank.example:${origin.port}`;
    const lease = await borrower.lease(url);
    {
      await using peer = await borrower.connect();
      peer.send(fetchText(`${url}/file/1000000`, '0-99999', lease));
      await peer.through('\r\n\r\n');
      line.lender.setDestinations(settings);
      await peer.ended;
      await until('nothing is open at the origin', () => origin.openConnections === 0);
    }
    const opened = origin.connections;
    await using again = await borrower.connect();
    again.send(fetchText(`${url}/file/1000000`, '0-9', lease));
    assert.equal(codeOf(await again.message()), code);
    await using tunnel = await borrower.connect();
    const authority = `www.bank.example:${origin.port}`;
    tunnel.send(connectText(authority, await borrower.lease(`https://${authority}`)));
    assert.equal(codeOf(await tunnel.message()), code);
    assert.equal(origin.connections, opened);
  });

test('where the daemon itself listens is refused although its network is allowed', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine({ isOwnDoor: ({ port }) => port === origin.port });
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url('/file/1000'), '0-9', await borrower.lease(origin.url(''))));
  assert.equal(codeOf(await peer.message()), 'address_refused');
  assert.equal(origin.connections, 0);
});
