/**
 * The trap: one real listener on every address of this machine. What comes to an address of the stand-in for the public
 * Internet is served; every other connection is one that must not be, and is counted.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { isPublicPlace, RESETS } from './trap-places.ts';

export interface Trap extends AsyncDisposable {
  readonly port: number;
  /** Connections that must not be, so far: the address that was reached, for each. */
  readonly caught: readonly string[];
  /** Connections to where the lender may go. */
  readonly served: number;
}

/** A path that is answered with a redirect: its status, and where it leads, percent-encoded. */
export const redirectPath = (status: number, fields: readonly string[]): string =>
  `/redirect/${status}/${encodeURIComponent(JSON.stringify(fields))}`;

export async function openTrap(): Promise<Trap> {
  const caught: string[] = [];
  let served = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    const address = (socket.localAddress ?? '').replace(/^::ffff:/, '');
    if (isPublicPlace(address)) served += 1;
    else caught.push(address);
    serve(socket, address === RESETS);
  });
  server.listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    caught,
    get served() {
      return served;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Answers each request with a byte, or with the redirect that its path asks for. */
function serve(socket: Socket, resets: boolean): void {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const [, path = '/'] = /^\S+ (\S+)/.exec(text) ?? [];
      text = text.slice(end + 4);
      if (resets) {
        socket.resetAndDestroy();
        return;
      }
      socket.write(answerTo(path));
    }
  });
}

function answerTo(path: string): string {
  const [, status, encoded] = /^\/redirect\/(\d{3})\/(.*)$/.exec(path) ?? [];
  if (status === undefined)
    return 'HTTP/1.1 206 OK\r\nContent-Range: bytes 0-0/1\r\nContent-Length: 1\r\n\r\nx';
  const fields = JSON.parse(decodeURIComponent(encoded ?? '')) as readonly string[];
  const lines = fields.map((field) => `${field}\r\n`).join('');
  if (status === '103') return `HTTP/1.1 103 Early Hints\r\n${lines}\r\n${answerTo('/')}`;
  const length = Number(status) === 206 ? 1 : 0;
  const range = length === 1 ? 'Content-Range: bytes 0-0/1\r\n' : '';
  return `HTTP/1.1 ${status} X\r\n${lines}${range}Content-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
}
