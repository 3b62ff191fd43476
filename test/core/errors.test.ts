/** Foreign errors as they really come: from the system, TLS and undici. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Agent, request } from 'undici';
import { asLinepoolError, ERRORS, LinepoolError } from '../../src/core/errors.ts';
import { freePort } from '../support/free-port.ts';
import { startTestOrigin } from '../support/origin.ts';

async function codeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
  } catch (error) {
    const ours = asLinepoolError(error);
    assert.ok(ours.cause instanceof Error, 'its cause is kept');
    return ours.code;
  }
  return 'no error';
}

const undici = async (url: string): Promise<void> => {
  const { body } = await request(url, { reset: true });
  await body.arrayBuffer();
};

const handshake = (options: ConnectionOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connectTls(options, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });

describe('errors of the system, TLS and undici', () => {
  it('a port that refuses', async () => {
    const port = await freePort();
    assert.equal(await codeOf(() => undici(`http://127.0.0.1:${port}/`)), 'connect_refused');
  });

  it('a name that is none', async () => {
    // As the system says it, whatever resolver this machine has.
    const noSuchName = Object.assign(new Error('getaddrinfo ENOTFOUND nothing.invalid'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
      hostname: 'nothing.invalid',
    });
    const dispatcher = new Agent({
      connect: { lookup: (_hostname, _options, callback) => callback(noSuchName, '', 0) },
    });
    const act = (): Promise<unknown> => request('http://nothing.invalid/', { dispatcher });
    assert.equal(await codeOf(act), 'dns_failed');
    await dispatcher.close();
  });

  it('every address of a name refuses', async () => {
    const port = await freePort();
    assert.equal(await codeOf(() => undici(`http://localhost:${port}/`)), 'connect_refused');
  });

  it('TLS to what does not speak it', async () => {
    await using origin = await startTestOrigin();
    assert.equal(await codeOf(() => handshake({ host: '127.0.0.1', port: origin.port })), 'tls_failed');
  });

  it('a certificate of an unknown authority', async () => {
    await using origin = await startTestOrigin({ secure: true });
    assert.equal(await codeOf(() => undici(origin.url('/file/1'))), 'tls_certificate');
  });

  it('a certificate for another name', async () => {
    await using origin = await startTestOrigin({ secure: true, names: ['else.where'] });
    const options = { host: '127.0.0.1', port: origin.port, ca: origin.ca, servername: 'origin.demo' };
    assert.equal(await codeOf(() => handshake(options)), 'tls_certificate');
  });

  it('a connection that is closed without an answer', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'garbage', bytes: '' }] });
    assert.equal(await codeOf(() => undici(origin.url('/file/1'))), 'connection_lost');
  });

  it('an answer that is not HTTP', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'garbage', bytes: 'nonsense\r\n\r\n' }] });
    assert.equal(await codeOf(() => undici(origin.url('/file/1'))), 'bad_response');
  });

  it('a body that breaks off', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'cut', afterBytes: 10 }] });
    assert.match(
      await codeOf(() => undici(origin.url('/file/100'))),
      /^(connection_lost|response_incomplete)$/,
    );
  });

  it('a file that can not be opened', async () => {
    const { open } = await import('node:fs/promises');
    assert.equal(await codeOf(() => open('/nowhere/at/all')), 'file_failed');
  });

  it('an address that is taken', async () => {
    await using origin = await startTestOrigin();
    const act = async (): Promise<void> => {
      const server = createServer().listen(origin.port, '127.0.0.1');
      await once(server, 'listening');
    };
    assert.equal(await codeOf(act), 'port_taken');
  });
});

describe('the table', () => {
  it('has a status, an exit code, words and advice for each', () => {
    for (const [code, { status, exit, says, advice }] of Object.entries(ERRORS)) {
      assert.ok(status >= 400 && status <= 599, code);
      assert.ok(exit >= 1 && exit <= 130, code);
      assert.match(says, /^[A-Z].*\.$/, code);
      assert.match(advice, /^[A-Z].*\.$/, code);
    }
  });

  it('what is ours stays as it is, what is unknown is internal with its cause', () => {
    const ours = new LinepoolError('loop');
    assert.equal(asLinepoolError(ours), ours);
    const odd = new Error('odd');
    assert.equal(asLinepoolError(odd).code, 'internal');
    assert.equal(asLinepoolError(odd).cause, odd);
    assert.equal(asLinepoolError('a string').code, 'internal');
    assert.equal(asLinepoolError(undefined).code, 'internal');
  });

  it('a code from outside is ours only when it is in the table', () => {
    assert.equal(LinepoolError.named('lease_expired', 'span_status').code, 'lease_expired');
    for (const code of ['', 'toString', '__proto__', 'constructor', 'x'.repeat(1_000)]) {
      const error = LinepoolError.named(code, 'span_status');
      assert.equal(error.code, 'span_status');
      assert.ok(error.message.length < 200);
    }
  });
});
