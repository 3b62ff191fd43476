import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Problem } from '../../src/control/schema.ts';
import { until } from '../support/until.ts';
import { type Served, serve, TOKEN } from './served.ts';

const PASS = { 'proxy-authorization': `Bearer ${TOKEN}`, 'linepool-path': 'own' };
const head = (first: string, headers: Record<string, string>): string =>
  `${first}\r\n${Object.entries({ host: 'files.example', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

describe('gate', () => {
  let served: Served;
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served[Symbol.asyncDispose]());

  it('hands a CONNECT on with the bytes that came along', async () => {
    const socket: Socket = connect(served.port, '127.0.0.1');
    let back = '';
    socket.on('data', (chunk) => {
      back += chunk.toString();
    });
    socket.write(
      head('CONNECT files.example:443 HTTP/1.1', { ...PASS, 'linepool-path': 'abcd-efgh' }) + 'early bytes',
    );
    await until('the echo', () => back.endsWith('early bytes'));
    socket.write(', late bytes');
    await until('the echo', () => back.endsWith('early bytes, late bytes'));
    assert.deepEqual(served.gateway.handed, ['connect abcd-efgh files.example:443']);
    socket.destroy();
  });

  it('hands a GET for an http address on', async () => {
    const reply = await served.ask('GET', 'http://files.example/a%20b?c', { headers: PASS });
    assert.deepEqual([reply.status, reply.text], [200, 'fetched']);
    assert.deepEqual(served.gateway.handed, ['fetch own http://files.example/a%20b?c']);
  });

  const token = { 'linepool-path': 'own' };
  const refused: readonly [string, Record<string, string>, number, string][] = [
    ['CONNECT files.example:443 HTTP/1.1', token, 407, 'token_refused'],
    // The token for the API itself does not do: a page could not set either, but a stray client might.
    [
      'CONNECT files.example:443 HTTP/1.1',
      { ...token, authorization: `Bearer ${TOKEN}` },
      407,
      'token_refused',
    ],
    ['CONNECT files.example:443 HTTP/1.1', { ...PASS, 'linepool-path': 'a b' }, 400, 'bad_request'],
    ['CONNECT files.example:443 HTTP/1.1', { 'proxy-authorization': `Bearer ${TOKEN}` }, 400, 'bad_request'],
    ['CONNECT files.example:99999 HTTP/1.1', PASS, 400, 'bad_target'],
    ['CONNECT files.example HTTP/1.1', PASS, 400, 'bad_target'],
    ['CONNECT a:80/path HTTP/1.1', PASS, 400, 'bad_target'],
    ['GET http://files.example/ HTTP/1.1', { ...token, connection: 'close' }, 407, 'token_refused'],
    ['GET https://files.example/ HTTP/1.1', { ...PASS, connection: 'close' }, 400, 'bad_target'],
    ['GET http://user@files.example/ HTTP/1.1', { ...PASS, connection: 'close' }, 400, 'bad_target'],
    ['POST http://files.example/ HTTP/1.1', { ...PASS, connection: 'close' }, 405, 'method_not_allowed'],
  ];
  for (const [first, headers, status, code] of refused) {
    it(`answers ${first} ${Object.keys(headers).join(', ')} with ${status}`, async () => {
      const back = await served.raw(head(first, headers));
      assert.match(back, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(/proxy-authenticate: Bearer/i.test(back), status === 407);
      assert.equal(Problem.parse(JSON.parse(back.slice(back.indexOf('\r\n\r\n')))).code, code);
      assert.deepEqual(served.gateway.handed, []);
    });
  }

  it('outlives a CONNECT that is reset while it is refused', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(served.port, '127.0.0.1', () => {
        socket.write(head('CONNECT files.example:443 HTTP/1.1', {}), () => socket.resetAndDestroy());
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
    assert.equal((await served.ask('GET', '/healthz')).status, 200);
  });
});
