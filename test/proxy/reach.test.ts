/**
 * What clients may be led to: those elsewhere not to what only this machine can reach. In these tests 127.0.0.1 stands
 * for this machine and 127.0.0.2 for a client in the home network.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { reach } from '../../src/proxy/reach.ts';
import { header, RawPeer } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy, type TestProxy } from './open-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LOCAL = `127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0
169.254.1.1 169.254.169.254 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1 nonsense`.split(/\s+/);
const ELSEWHERE = ['192.0.2.1', '10.0.0.1', '192.168.1.1', '100.64.0.1', '2001:db8::1', 'fd00::1'];

test('what only this machine can reach is for clients on it', () => {
  const options = { forbidden: () => false, permit: undefined };
  const here = reach({ ...options, fromHere: true });
  const others = reach({ ...options, fromHere: false });
  for (const address of LOCAL) {
    assert.equal(others(address, 80), 'destination_refused', address);
    assert.equal(here(address, 80), undefined, address);
  }
  for (const address of ELSEWHERE) {
    assert.equal(others(address, 80), undefined, address);
    assert.equal(here(address, 80), undefined, address);
  }
});

test('what is forbidden is so for everybody, and what else may not be reached too', () => {
  for (const fromHere of [true, false]) {
    const permit = reach({
      fromHere,
      forbidden: ({ host, port }) => host === '192.0.2.1' && port === 1,
      permit: (address) => (address === '192.0.2.2' ? 'address_refused' : undefined),
    });
    assert.equal(permit('192.0.2.1', 1), 'destination_refused');
    assert.equal(permit('192.0.2.1', 2), undefined);
    assert.equal(permit('192.0.2.2', 1), 'address_refused');
  }
});

async function connectFrom(localAddress: string, proxy: TestProxy): Promise<RawPeer> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  await once(socket, 'connect');
  return new RawPeer(socket);
}

test('a client elsewhere is refused this machine by every name and method, also where connections are kept', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({
    localClients: ['127.0.0.1/32'],
    dial: {
      pinned: new Map([
        ['own.example', '127.0.0.1'],
        ['mapped.example', '::ffff:127.0.0.1'],
        ['link.example', '169.254.1.1'],
      ]),
      connectTimeout: 5_000,
    },
  });
  const { port } = origin;
  const reached = async (from: string, message: string): Promise<string | number> => {
    await using client = await connectFrom(from, proxy);
    client.send(message);
    const answer = await client.message();
    const refused = /error=destination_ip_prohibited/.test(header(answer, 'proxy-status') ?? '');
    return refused ? 'refused' : answer.status;
  };
  const get = (host: string): string => `GET http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (const host of ['127.0.0.1', 'own.example', '0.0.0.0']) {
    // What is opened here for a client on this machine is kept, and must not serve the other.
    assert.equal(await reached('127.0.0.1', get(host)), 200, host);
  }
  const opened = origin.peers.length;
  for (const host of [
    '127.0.0.1',
    '127.1',
    '0.0.0.0',
    '[::1]',
    'own.example',
    'mapped.example',
    'localhost',
  ]) {
    for (const message of [
      get(host),
      `PUT http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`,
      `GET http://${host}:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      `CONNECT ${host}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ]) {
      assert.equal(await reached('127.0.0.2', message), 'refused', message);
    }
  }
  assert.equal(await reached('127.0.0.2', get('link.example')), 'refused');
  assert.equal(origin.peers.length, opened);
});
