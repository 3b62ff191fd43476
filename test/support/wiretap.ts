/**
 * A wiretap: a relay of TCP that keeps every byte that passes, both ways. For tests of what can be read between two parties.
 *
 *     one party ─► wiretap ─► the other
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Wiretap extends AsyncDisposable {
  readonly port: number;
  /** How many bytes passed. */
  readonly bytes: number;
  /** Everything that passed since the last call, each direction of each connection by itself. */
  taken(): readonly Buffer[];
}

export async function openWiretap(to: { readonly host: string; readonly port: number }): Promise<Wiretap> {
  const heard = new Set<Buffer[]>();
  const open = new Set<Socket>();
  let bytes = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true, noDelay: true });
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      const pieces: Buffer[] = [];
      heard.add(pieces);
      open.add(from);
      from.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
      });
      from.on('error', () => into.destroy());
      from.once('close', () => {
        open.delete(from);
        if (!from.readableEnded) into.destroy();
      });
      from.pipe(into);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get bytes() {
      return bytes;
    },
    taken() {
      const all = [...heard].map((pieces) => Buffer.concat(pieces.splice(0)));
      return all.filter(({ length }) => length > 0);
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
