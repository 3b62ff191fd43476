import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  LENT_ORIGIN_BORROWER_CONNECTIONS,
  LENT_ORIGIN_CONNECTIONS,
  OriginBound,
} from '../../src/lending/origin-bound.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { until } from '../support/until.ts';
import { codeOf, connectText, fetchText, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

const at = (host: string) => ({ host, port: 443 });

test('one borrower has half of what one origin is connected to at most, all together no more than all', () => {
  const bound = new OriginBound();
  const taken = (id: string, host = 'a'): Disposable[] => {
    const got: Disposable[] = [];
    for (;;) {
      try {
        got.push(bound.enter(at(host), id));
      } catch {
        return got;
      }
    }
  };
  const first = taken('first');
  assert.equal(first.length, LENT_ORIGIN_BORROWER_CONNECTIONS);
  assert.equal(taken('first', 'b').length, LENT_ORIGIN_BORROWER_CONNECTIONS, 'another origin');
  const second = taken('second');
  assert.equal(first.length + second.length, LENT_ORIGIN_CONNECTIONS);
  assert.equal(taken('third').length, 0);
  assert.throws(() => bound.enter(at('a'), 'third'), { code: 'overloaded' });
  second.pop()?.[Symbol.dispose]();
  assert.equal(taken('third').length, 1);
});

test('fetches and tunnels of a borrower to one origin are bounded; what is over is no longer counted', async () => {
  const most = LENT_ORIGIN_BORROWER_CONNECTIONS;
  await using slow = await startTestOrigin({ faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY }] });
  await using quick = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower, other] = line.borrowers;
  const fetch = async (origin: typeof slow, from: typeof borrower, times = 1) => {
    const peer = await from.connect();
    const lease = await from.lease(origin.url(''));
    peer.send(fetchText(origin.url('/file/10'), '0-9', lease).repeat(times));
    return peer;
  };
  // Several that wait on one connection are one to the origin.
  const peers = await Promise.all(Array.from({ length: most }, () => fetch(slow, borrower, 2)));
  await until('all are under way', () => slow.openConnections === most);
  await using refused = await fetch(slow, borrower);
  assert.equal(codeOf(await refused.message()), 'overloaded');
  await using elsewhere = await fetch(quick, borrower);
  assert.equal((await elsewhere.message()).status, 206);
  await using others = await fetch(slow, other);
  await until('another borrower gets there', () => slow.openConnections === most + 1);
  await others[Symbol.asyncDispose]();
  for (const peer of peers) await peer[Symbol.asyncDispose]();
  await until('they are gone', () =>
    line.lender.status().borrowers.every(({ connections }) => connections <= 1),
  );
  const again = await Promise.all(Array.from({ length: most }, () => fetch(slow, borrower)));
  await until('as many are under way again', () => slow.openConnections === most);
  for (const peer of again) await peer[Symbol.asyncDispose]();

  await using silent = await RawOrigin.open(async (peer) => peer.closed);
  const tunnels = await Promise.all(
    Array.from({ length: most + 1 }, async () => {
      const peer = await borrower.connect();
      const lease = await borrower.lease(`https://127.0.0.1:${silent.port}`);
      peer.send(connectText(`127.0.0.1:${silent.port}`, lease));
      return { peer, head: await peer.through('\r\n\r\n') };
    }),
  );
  assert.equal(tunnels.filter(({ head }) => head.startsWith('HTTP/1.1 200 ')).length, most);
  assert.equal(tunnels.filter(({ head }) => head.startsWith('HTTP/1.1 503 ')).length, 1);
  for (const { peer } of tunnels) peer.reset();
  await until('they are gone', () =>
    line.lender.status().borrowers.every(({ connections }) => connections <= 1),
  );
});
