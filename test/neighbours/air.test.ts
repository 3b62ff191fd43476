/**
 * What somebody who listens between two routers learns: the greeting of TLS, byte by byte, and everything that goes over the wire from
 * pairing to a neighbour's offers.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { encodeInvitation, parseInvitation } from '../../src/neighbours/invitation.ts';
import { eventOf, type Household, household } from './household.ts';

const NAMES = ['Anna third floor', 'Berta with the dog'] as const;

/** A wire that writes down what goes over it, both ways. */
async function tapped(
  to: string,
): Promise<AsyncDisposable & { readonly address: string; readonly heard: Buffer[] }> {
  const heard: Buffer[] = [];
  const port = Number(to.split(':').at(-1));
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk: Buffer) => heard.push(chunk));
      from.on('error', () => into.destroy());
      from.pipe(into);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The extensions of a ClientHello (RFC 8446 section 4.1.2): type to content. */
function extensionsOf(record: Buffer): Map<number, Buffer> {
  assert.equal(record[0], 22, 'a handshake');
  assert.equal(record[5], 1, 'a ClientHello');
  let at = 5 + 4 + 2 + 32;
  at += 1 + record.readUInt8(at);
  at += 2 + record.readUInt16BE(at);
  at += 1 + record.readUInt8(at);
  const end = at + 2 + record.readUInt16BE(at);
  at += 2;
  const extensions = new Map<number, Buffer>();
  while (at < end) {
    const length = record.readUInt16BE(at + 2);
    extensions.set(record.readUInt16BE(at), record.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  assert.equal(at, end);
  return extensions;
}

/** Everything by which one of them could be told, as it might stand on the wire. */
function tellingOf({ room }: Household, name: string): readonly Buffer[] {
  const spki = Buffer.from(room.identity.publicKey, 'base64url');
  const pem = room.identity.certificate.replace(/-----[^-]+-----|\s/g, '');
  return [
    Buffer.from(name),
    Buffer.from(room.id),
    Buffer.from(room.id.slice(0, 15)),
    // The key itself, without what all keys have in common.
    spki.subarray(-32),
    Buffer.from(pem, 'base64').subarray(-64),
    Buffer.from('linepool'),
  ];
}

test('the greeting names no server, and says nothing but that it is HTTP/1.1 over TLS 1.3', async () => {
  await using anna = await household(NAMES[0]);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const came = once(server, 'connection') as Promise<[Socket]>;
  const dialling = anna.room.client.connect({ id: anna.room.id, addresses: [`127.0.0.1:${port}`] });
  const [socket] = await came;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  server.close();
  await assert.rejects(dialling);
  const extensions = extensionsOf(hello);
  assert.ok(!extensions.has(0), 'no server_name');
  assert.equal(extensions.get(16)?.toString('latin1'), '\0\u0009\u0008http/1.1', 'ALPN');
  assert.deepEqual([...(extensions.get(43) ?? [])], [2, 3, 4], 'TLS 1.3 alone');
  assert.ok(!extensions.has(41), 'no ticket, by which a router would be known again');
  assert.equal(extensions.get(35)?.length ?? 0, 0, 'nor one of TLS 1.2');
  for (const telling of tellingOf(anna, NAMES[0])) assert.ok(!hello.includes(telling), telling.toString());
});

test('from pairing to offers, nothing by which a household could be told is on the wire', async () => {
  await using anna = await household(NAMES[0]);
  await using berta = await household(NAMES[1], { listen: [] });
  await using wire = await tapped(anna.address);
  const invitation = parseInvitation(anna.room.invite().text);
  await berta.room.join(encodeInvitation({ ...invitation, addresses: [wire.address] }));
  await eventOf(berta.events, 'neighbour_up');
  const heard = Buffer.concat(wire.heard);
  assert.ok(heard.length > 2_000, 'something was heard');
  const telling = [
    ...tellingOf(anna, NAMES[0]),
    ...tellingOf(berta, NAMES[1]),
    Buffer.from(invitation.secret),
    Buffer.from('bytesPerSecond'),
  ];
  for (const one of telling) assert.ok(!heard.includes(one), one.toString());
});

test('without an invitation too: neither the number nor who compares it', async () => {
  await using anna = await household(NAMES[0]);
  await using berta = await household(NAMES[1]);
  await using wire = await tapped(anna.address);
  await anna.room.introductions.show(60_000);
  const meeting = await berta.room.introductions.ask(wire.address);
  assert.ok(meeting.state.kind === 'comparing');
  const { number } = meeting.state;
  await anna.room.introductions.desk.confirm(number);
  await berta.room.introductions.desk.confirm(number);
  await eventOf(berta.events, 'neighbour_up');
  const heard = Buffer.concat(wire.heard);
  for (const one of [...tellingOf(anna, NAMES[0]), ...tellingOf(berta, NAMES[1])]) {
    assert.ok(!heard.includes(one), one.toString());
  }
});

test('certificates hold no name but that of the program', async () => {
  const { X509Certificate } = await import('node:crypto');
  await using anna = await household(NAMES[0]);
  const { subject, issuer, subjectAltName } = new X509Certificate(anna.room.identity.certificate);
  assert.deepEqual([subject, issuer, subjectAltName], ['CN=linepool', 'CN=linepool', undefined]);
});
