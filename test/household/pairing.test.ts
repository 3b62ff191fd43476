/**
 * Pairing and parting as people do them: real daemons, real commands. Three households that do not know each other
 * at first; the tests follow on from one another.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import {
  connectionsAt,
  linkPort,
  type Origins,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';
import { until } from '../support/until.ts';

interface Listed {
  readonly neighbours: readonly { name: string; up: boolean; offer?: { bytesPerSecond: number } }[];
}

describe('households that pair and part', { concurrency: false }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;
  let b: Household;
  let c: Household;
  let invitation = '';

  before(async () => {
    origins = await startOrigins();
    here = await startHouseholds([plan('A'), plan('B'), plan('C')], origins, { paired: false });
    [a, b, c] = here.households as [Household, Household, Household];
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
  });

  const listed = async (household: Household): Promise<readonly string[]> =>
    (await household.runJson<Listed>('neighbours')).neighbours.map(({ name }) => name);

  /** What the link of B answers to a request of A's, with A's own certificate or with none. */
  async function ask(request: string, certified: boolean): Promise<string> {
    const identity = certified
      ? (JSON.parse(readFileSync(join(a.stateDir, 'identity.json'), 'utf8')) as Record<string, string>)
      : {};
    const socket = connect({
      host: '127.0.0.1',
      port: linkPort(b),
      rejectUnauthorized: false,
      ...(certified ? { cert: identity['certificate'] ?? '', key: identity['privateKey'] ?? '' } : {}),
    });
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
    // A refusal may come as the end of the handshake.
    socket.on('error', () => undefined);
    socket.write(request);
    await once(socket, 'close');
    return answer;
  }

  test('a household that is not paired gets nothing, with a certificate or without', async () => {
    const { http } = here.ports;
    const authority = `origin.demo:${http}`;
    for (const certified of [true, false]) {
      const host = `Host: ${authority}\r\n`;
      const fetch = await ask(
        `GET http://${authority}/file/9 HTTP/1.1\r\n${host}Range: bytes=0-8\r\n\r\n`,
        certified,
      );
      assert.doesNotMatch(fetch, /^HTTP\/1\.1 2/);
      const tunnel = await ask(`CONNECT ${authority} HTTP/1.1\r\n${host}\r\n`, certified);
      assert.doesNotMatch(tunnel, /^HTTP\/1\.1 2/);
    }
    assert.match(await ask('GET /v1/offers HTTP/1.1\r\nHost: link\r\n\r\n', true), /403.*not_paired|403/s);
    assert.equal(origins.http.exchanges.length, 0);
  });

  test('without a neighbour a large download passes, and the verdict says why', async () => {
    const size = 2_000_000;
    const { sha256 } = await startDownload(a, here.ports.http, size).fetched;
    assert.equal(sha256, patternSha256(size));
    const [verdict] = await a.control.verdicts();
    assert.deepEqual([verdict?.pool, verdict?.reason], [false, 'no neighbour offers anything']);
  });

  test('an invitation pairs two, and each lists the other and sees its offer', async () => {
    ({ invitation } = await b.runJson<{ invitation: string }>('invite'));
    assert.match(await a.run('join', invitation), /^Paired with B \(/);
    assert.deepEqual(await listed(a), ['B']);
    assert.deepEqual(await listed(b), ['A']);
    await untilOffering(a, 'B');
    await untilOffering(b, 'A');
    assert.match(await a.run('neighbours'), /B.*Mbit\/s/s);
  });

  test('an invitation works once', async () => {
    const { code, err } = await runOn(c, 'join', invitation).ended;
    assert.equal(code, 8);
    assert.match(err, /expired, used up or withdrawn/);
    assert.deepEqual(await listed(c), []);
    assert.deepEqual(await listed(b), ['A']);
  });

  test('a changed invitation is refused, and says so', async () => {
    const { invitation: good } = await b.runJson<{ invitation: string }>('invite');
    const at = Math.floor(good.length / 2);
    const bad = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1);
    const { code, err } = await runOn(c, 'join', bad).ended;
    assert.equal(code, 8);
    assert.match(err, /invitation/);
    assert.deepEqual(await listed(c), []);
  });

  test('parting in the middle of a download: it goes on over the other lines, and the link is cut', async (t) => {
    const { invitation: ofC } = await c.runJson<{ invitation: string }>('invite');
    await a.run('join', ofC);
    await untilOffering(a, 'B', 'C');
    const size = 16_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('B', 500_000);
    await download.untilBrought('C', 500_000);
    assert.ok(connectionsAt(linkPort(b)) > 0);
    await a.run('part', 'B');
    assert.deepEqual(await listed(a), ['C']);
    await until('no connection to the link of B is left', () => connectionsAt(linkPort(b)) === 0);
    const atParting = (await download.brought())['own'] ?? 0;
    assert.ok(atParting < size, 'the download is still under way');
    const { sha256 } = await download.fetched;
    assert.equal(sha256, patternSha256(size));
    const brought = await download.brought();
    t.diagnostic(`bytes by path after parting from B in mid-download: ${JSON.stringify(brought)}`);
    assert.ok((brought['C'] ?? 0) > 500_000);
    assert.deepEqual(await listed(b), [], 'B was told');
  });

  test('who was parted from gets nothing any more', async () => {
    const before = origins.http.exchanges.length;
    const authority = `origin.demo:${here.ports.http}`;
    const answer = await ask(
      `GET http://${authority}/file/9 HTTP/1.1\r\nHost: ${authority}\r\nRange: bytes=0-8\r\n\r\n`,
      true,
    );
    assert.doesNotMatch(answer, /^HTTP\/1\.1 2/);
    assert.equal(origins.http.exchanges.length, before);
  });

  test('a neighbour that parts from us is gone here too, in the middle of a download', async () => {
    const size = 10_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('C', 300_000);
    await c.run('part', 'A');
    const { sha256 } = await download.fetched;
    assert.equal(sha256, patternSha256(size));
    await until('A knows', async () => (await listed(a)).length === 0);
    await until('no link connection is left', () => connectionsAt(linkPort(c)) === 0);
  });
});
