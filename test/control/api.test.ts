import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { BODY_BYTES_MAX, openControl } from '../../src/control/api.ts';
import { ControlClient } from '../../src/control/client.ts';
import { Problem } from '../../src/control/schema.ts';
import { ERRORS, LinepoolError } from '../../src/core/errors.ts';
import { type Served, serve, TOKEN } from './served.ts';

const problem = (text: string): Problem => Problem.parse(JSON.parse(text));

describe('control API', () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served[Symbol.asyncDispose]());

  describe('lets in', () => {
    it('anybody on this machine to /healthz and /metrics, which name nobody', async () => {
      for (const path of ['/healthz', '/metrics']) {
        assert.equal((await served.ask('GET', path, { headers: { authorization: undefined } })).status, 200);
        assert.equal((await served.ask('POST', path)).status, 405);
      }
    });

    const refused: readonly [string, string, Record<string, string | undefined>, number, string][] = [
      ['no token', '/v1/status', { authorization: undefined }, 401, 'token_refused'],
      ['a wrong token', '/v1/status', { authorization: `Bearer ${TOKEN}x` }, 401, 'token_refused'],
      ['no token for what is not there', '/nothing', { authorization: undefined }, 401, 'token_refused'],
      [
        'a name that was rebound to loopback',
        '/v1/status',
        { host: 'evil.example:7467' },
        421,
        'misdirected',
      ],
      ['the same for /metrics', '/metrics', { host: 'evil.example' }, 421, 'misdirected'],
      ['a page of another site', '/v1/status', { origin: 'https://evil.example' }, 403, 'page_refused'],
      ['a page of another port here', '/v1/status', { origin: 'http://localhost:8080' }, 403, 'page_refused'],
      ['a page without an origin', '/metrics', { origin: 'null' }, 403, 'page_refused'],
      ['a cross-site load', '/metrics', { 'sec-fetch-site': 'cross-site' }, 403, 'page_refused'],
    ];
    for (const [what, path, headers, status, code] of refused) {
      it(`not ${what}`, async () => {
        const reply = await served.ask('GET', path, { headers });
        assert.equal(reply.status, status);
        assert.equal(problem(reply.text).code, code);
        assert.equal(reply.headers['www-authenticate'] !== undefined, status === 401);
      });
    }

    it('a page that it serves itself, with the token', async () => {
      const host = `127.0.0.1:${served.port}`;
      const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
      assert.equal((await served.ask('GET', '/v1/status', { headers })).status, 200);
    });
  });

  describe('answers', () => {
    it('what the desk says, to HEAD without a body', async () => {
      const reply = await served.ask('GET', '/v1/status');
      assert.equal(reply.status, 200);
      assert.deepEqual(JSON.parse(reply.text), JSON.parse(JSON.stringify(served.desk.status())));
      assert.equal(reply.headers['cache-control'], 'no-store');
      const head = await served.ask('HEAD', '/v1/status');
      assert.deepEqual([head.status, head.text], [200, '']);
      assert.equal((await served.ask('HEAD', '/v1/events')).status, 200);
    });

    it('one download, and the offers', async () => {
      const { desk } = served;
      const told = async (path: string): Promise<unknown> => JSON.parse((await served.ask('GET', path)).text);
      assert.deepEqual(await told('/v1/downloads/d1'), desk.downloads()[1]);
      assert.deepEqual(await told('/v1/offers'), { offers: desk.offers() });
    });

    const missing: readonly [string, string, number, string | undefined][] = [
      ['GET', '/v1/nothing', 404, undefined],
      ['GET', '/', 404, undefined],
      ['GET', '//', 404, undefined],
      ['GET', '/v1/status/', 404, undefined],
      ['GET', '/v1/downloads/none', 404, undefined],
      ['GET', '/v1/neighbours/a/b', 404, undefined],
      ['GET', '/v1/downloads/%ff', 400, undefined],
      ['DELETE', '/v1/neighbours/nobody', 404, undefined],
      ['DELETE', '/v1/status', 405, 'GET, HEAD'],
      ['PUT', '/v1/neighbours', 405, 'GET, HEAD, POST'],
      ['GET', '/v1/neighbours/Garden', 405, 'DELETE, PATCH'],
      ['GET', '/v1/stop', 405, 'POST'],
      ['OPTIONS', '/v1/status', 405, 'GET, HEAD'],
      ['GET', '/v1/events?since=x', 400, undefined],
    ];
    for (const [method, path, status, allow] of missing) {
      it(`${method} ${path} with ${status}`, async () => {
        const reply = await served.ask(method, path);
        assert.equal(reply.status, status);
        assert.equal(reply.headers.allow, allow);
        const { code, says } = problem(reply.text);
        assert.equal(ERRORS[code as keyof typeof ERRORS].says, says);
      });
    }

    const bad: readonly [string, string, string, number, RegExp][] = [
      ['POST', '/v1/neighbours', '', 400, /invitation/],
      ['POST', '/v1/neighbours', '[]', 400, /object/],
      ['POST', '/v1/neighbours', '{"invitation":', 400, /not JSON/],
      ['POST', '/v1/neighbours', '{"invitation":"LP1","nmae":"x"}', 400, /nmae/],
      ['POST', '/v1/neighbours', '{"invitation":"LP1","name":"a\\u0000b"}', 400, /name: must not hold/],
      ['POST', '/v1/neighbours', '{"invitation":"nonsense"}', 400, /^$/],
      ['POST', '/v1/invitations', '{"ttlMs":1}', 400, /ttlMs: must be at least/],
      ['PATCH', '/v1/neighbours/Garden', '{"name":""}', 400, /name: must not be empty/],
      ['PATCH', '/v1/neighbours/nobody', '{"name":"x"}', 404, /nobody/],
      ['POST', '/v1/neighbours', `{"invitation":"${'x'.repeat(BODY_BYTES_MAX)}"}`, 413, /16384/],
    ];
    for (const [method, path, body, status, detail] of bad) {
      it(`${method} ${path} ${body.slice(0, 40)} with ${status}`, async () => {
        const reply = await served.ask(method, path, { body });
        assert.equal(reply.status, status);
        assert.match(problem(reply.text).detail, detail);
      });
    }

    it('a body that is too large before all of it has come', async () => {
      const head = `POST /v1/stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;
      const back = await served.raw(
        `${head}Content-Length: 1000000000\r\n\r\n${'x'.repeat(BODY_BYTES_MAX * 2)}`,
      );
      assert.match(back, /^HTTP\/1\.1 413 [^]*connection: close[^]*"code":"body_too_large"/i);
    });

    it('faults of the desk as 500, with a warning', async () => {
      const fine = served.desk.downloads.bind(served.desk);
      served.desk.downloads = () => {
        throw new TypeError('a fault');
      };
      const reply = await served.ask('GET', '/v1/downloads');
      served.desk.downloads = fine;
      assert.equal(reply.status, 500);
      assert.deepEqual(served.desk.events.since(0).at(-1)?.event, {
        kind: 'warning',
        code: 'internal',
        detail: 'a fault',
      });
    });
  });

  describe('survives', () => {
    const hostile: readonly [string, string, RegExp][] = [
      ['what is not HTTP', 'hello there\r\n\r\n', /^HTTP\/1.1 400 /],
      [
        'two lengths',
        'GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
        /^HTTP\/1.1 400 /,
      ],
      [
        'length and chunks',
        `POST /v1/stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        /^HTTP\/1.1 400 /,
      ],
      [
        'huge headers',
        `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
        /^HTTP\/1.1 431 /,
      ],
      ['CONNECT without a port', 'CONNECT localhost HTTP/1.1\r\n\r\n', /^HTTP\/1.1 (400|407) /],
      [
        'CONNECT without a token',
        'CONNECT files.example:443 HTTP/1.1\r\nHost: files.example\r\n\r\n',
        /^HTTP\/1.1 407 [^]*proxy-authenticate: Bearer/,
      ],
      [
        'asterisk-form',
        'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
        /^HTTP\/1.1 407 /,
      ],
    ];
    for (const [what, text, answer] of hostile) {
      it(what, async () => {
        assert.match(await served.raw(text), answer);
        assert.equal((await served.ask('GET', '/healthz')).status, 200);
      });
    }

    it('a connection that is reset in the middle of a request', async () => {
      await new Promise<void>((resolve) => {
        const socket = connect(served.port, '127.0.0.1', () => {
          socket.write('POST /v1/neighbours HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n');
          socket.resetAndDestroy();
        });
        socket.on('close', () => resolve());
      });
      assert.equal((await served.ask('GET', '/healthz')).status, 200);
    });
  });

  describe('with its own client', () => {
    const client = (): ControlClient => new ControlClient(served.server.address, TOKEN);

    it('reads everything there is', async () => {
      const { desk } = served;
      assert.deepEqual(await client().status(), desk.status());
      assert.deepEqual(await client().downloads(), desk.downloads());
      assert.deepEqual(await client().verdicts(), desk.verdicts());
      assert.deepEqual(await client().neighbours(), desk.neighbours());
    });

    it('steers', async () => {
      served.desk.asked.length = 0;
      assert.equal((await client().invite({ ttlMs: 60_000 })).invitation, 'LP1-test-invitation');
      assert.equal((await client().join({ invitation: 'LP1-x', name: 'Ünder 50 %' })).name, 'Ünder 50 %');
      assert.equal((await client().rename('Third floor', 'Attic')).name, 'Attic');
      await client().part('Third floor');
      await client().stop();
      assert.deepEqual(served.desk.asked, [
        'invite 60000',
        'join {"invitation":"LP1-x","name":"Ünder 50 %"}',
        'rename Third floor Attic',
        'part Third floor',
        'stop asked for over the control API',
      ]);
    });

    it('throws the errors of the desk as they were', async () => {
      await assert.rejects(
        client().part('nobody'),
        (error) =>
          error instanceof LinepoolError && error.code === 'neighbour_unknown' && error.detail === '"nobody"',
      );
      await assert.rejects(
        new ControlClient(served.server.address, 'wrong').status(),
        (error) => error instanceof LinepoolError && error.code === 'token_refused',
      );
    });
  });
});

describe('opening the control API', () => {
  it('refuses an address that is not loopback, and one that is taken', async () => {
    await using served = await serve();
    const open = (listen: string) => openControl({ ...served, token: TOKEN, clock: { ...noTime }, listen });
    await assert.rejects(open('0.0.0.0:0'), { code: 'config_invalid' });
    await assert.rejects(open('[::]:0'), { code: 'config_invalid' });
    await assert.rejects(open(served.server.address), (error) => {
      assert.ok(error instanceof LinepoolError);
      assert.equal(error.code, 'port_taken');
      assert.match(error.detail, /control\.listen = "127\.0\.0\.1:\d+"/);
      return true;
    });
  });

  it('ends with connections open, more than once', async () => {
    const served = await serve();
    const socket = connect(served.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    await Promise.all([served[Symbol.asyncDispose](), served[Symbol.asyncDispose]()]);
    await closed;
  });
});

const noTime = {
  now: () => 0,
  wall: () => 0,
  after: () => ({ [Symbol.dispose]: () => undefined }),
  every: () => ({ [Symbol.dispose]: () => undefined }),
};
