/**
 * A second implementation, by docs/protocol.md alone: a joiner that has TLS, hashes and signatures from the platform, and nothing of ours.
 * What it sends is written out here on purpose; only the household that it talks to is ours.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { leaseTerms } from '../../src/ledger/terms.ts';
import { CLOCK_SKEW_MS, readLease } from '../../src/lending/lease.ts';
import { eventOf, household } from './household.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** DER: a tag, the length of what follows, and that. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}

/** The least that is an X.509 certificate, long expired: only its key is to count. */
function certificateOf(spki: Buffer, privateKey: KeyObject): string {
  const algorithm = der(0x30, Buffer.from('06032b6570', 'hex'));
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('somebody')));
  const name = der(0x30, der(0x31, commonName));
  const validity = der(
    0x30,
    der(0x17, Buffer.from('010101000000Z')),
    der(0x17, Buffer.from('020101000000Z')),
  );
  const body = der(0x30, Buffer.of(2, 1, 7), algorithm, name, validity, name, spki);
  const signature = der(3, Buffer.of(0), sign(null, body, privateKey));
  return `-----BEGIN CERTIFICATE-----\n${der(0x30, body, algorithm, signature).toString('base64')}\n-----END CERTIFICATE-----\n`;
}

/** What the text of an invitation says, from where the inviter's hash begins. */
function invited(text: string): { readonly address: string; readonly hash: Buffer; readonly secret: Buffer } {
  const bits = text
    .slice('LP1-'.length)
    .replaceAll(/./g, (character) => ALPHABET.indexOf(character).toString(2).padStart(5, '0'));
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((eight) => Number.parseInt(eight, 2)));
  const length = bytes[1] ?? 0;
  const after = bytes.subarray(2 + length);
  return {
    address: bytes.subarray(2, 2 + length).toString(),
    hash: after.subarray(0, 32),
    secret: after.subarray(32, 48),
  };
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends a request as bytes and reads one answer that has a length, or as much of a stream as `enough` wants. */
function ask(
  socket: TLSSocket,
  request: string,
  message?: object,
  enough?: (text: string) => boolean,
): Promise<Answer> {
  const sent = message === undefined ? '' : JSON.stringify(message);
  const length = message === undefined ? '' : `Content-Length: ${Buffer.byteLength(sent)}\r\n`;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const closed = (): void => reject(new Error(`closed after ${JSON.stringify(text)}`));
  let text = '';
  const take = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
    const [head = '', body] = text.split('\r\n\r\n', 2);
    if (body === undefined) return;
    const wanted = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (enough === undefined ? Buffer.byteLength(body) < wanted : !enough(body)) return;
    socket.off('data', take).off('close', closed);
    resolve({ status: Number(head.split(' ')[1]), head, body });
  };
  socket.on('data', take).on('close', closed);
  socket.write(`${request} HTTP/1.1\r\nHost: link\r\n${length}\r\n${sent}`);
  return promise;
}

const json = ({ body }: Answer): unknown => JSON.parse(body);

test('somebody who has read the document alone pairs, hears what is offered, signs a lease, and parts', async () => {
  await using barn = await household('Barn');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const ours = createHash('sha256').update(spki).digest();
  const { address, hash, secret } = invited(barn.room.invite().text);
  const [host = '', port] = address.split(':');
  const sockets: TLSSocket[] = [];
  const call = async (): Promise<TLSSocket> => {
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const cert = certificateOf(spki, privateKey);
    // Neither a server name nor ALPN: both are left to the caller.
    const socket = connect({
      host,
      port: Number(port),
      key,
      cert,
      rejectUnauthorized: false,
      servername: '',
    });
    sockets.push(socket);
    await once(socket, 'secureConnect');
    const theirs = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
    assert.ok(theirs);
    assert.deepEqual(createHash('sha256').update(theirs).digest(), hash);
    return socket;
  };

  const refused = await ask(await call(), 'GET /linepool/v1/hello');
  assert.equal(refused.status, 403);
  assert.equal((json(refused) as { code: string }).code, 'not_paired');
  assert.match(refused.head, /^connection: close/im);

  const socket = await call();
  const binding = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  const proof = (role: string): string =>
    createHmac('sha256', secret)
      .update(`linepool pair 1\0${role}\0`)
      .update(Buffer.concat([hash, ours, binding]))
      .digest('base64url');
  const handle = createHmac('sha256', secret)
    .update('linepool handle 1')
    .digest()
    .subarray(0, 16)
    .toString('base64url');
  const paired = await ask(socket, 'POST /linepool/v1/pair', {
    protocol: 2,
    handle,
    proof: proof('joiner'),
    name: 'Somebody',
    addresses: [],
  });
  assert.deepEqual([paired.status, json(paired)], [200, { name: 'Barn', proof: proof('inviter') }]);
  const confirmed = await ask(socket, 'POST /linepool/v1/pair/confirm', { handle, proof: proof('confirm') });
  assert.equal(confirmed.status, 204);
  const [neighbour] = barn.room.book.all();
  assert.equal(neighbour?.name, 'Somebody');

  const hello = await ask(socket, 'GET /linepool/v1/hello');
  assert.deepEqual(json(hello), { name: 'Barn', version: '0.0.0', protocol: 2 });
  const stream = await ask(await call(), 'GET /linepool/v1/offers', undefined, (text) =>
    /"offer".*\n/.test(text),
  );
  const lines = [...stream.body.matchAll(/\{.*\}/g)].map(([line]) => JSON.parse(line) as { kind: string });
  assert.deepEqual(
    lines.slice(0, 2).map(({ kind }) => kind),
    ['hello', 'offer'],
  );

  const now = Math.floor(Date.now() / 1000);
  const claims = `{"iss":"${neighbour.id}","aud":"${barn.room.id}","org":"https://files.example:443","byt":1000,"iat":${now},"exp":${now + 60},"jti":"AAAAAAAAAAAAAAAAAAAAAA"}`;
  const signed = ['{"alg":"EdDSA","typ":"linepool-lease"}', claims]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
  const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
  const lease = await readLease(token, {
    publicKey,
    borrower: neighbour.id,
    lender: barn.room.id,
    origin: 'https://files.example:443',
    nowWall: now * 1000,
    limits: { maxBytes: 1000, maxTime: 60_000, clockSkew: CLOCK_SKEW_MS },
  });
  assert.deepEqual(leaseTerms(token), lease);

  assert.equal((await ask(socket, 'POST /linepool/v1/part', { kind: 'part' })).status, 204);
  await eventOf(barn.events, 'neighbour_parted');
  assert.deepEqual(barn.room.book.all(), []);
  for (const each of sockets) each.destroy();
});
