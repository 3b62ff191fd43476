/** A control server over a stub desk and a stub gateway, with a plain client that can send what ours never would. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { type ControlServer, openControl } from '../../src/control/api.ts';
import type { Gateway } from '../../src/control/desk.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { formatAuthority, formatOrigin } from '../../src/core/target.ts';
import { StubDesk } from './stub-desk.ts';

export const TOKEN = 'test-token-test-token-test-token-test-token';

/** Echoes what it was handed. */
export class StubGateway implements Gateway {
  readonly handed: string[] = [];

  connect(...[path, authority, , socket, head]: Parameters<Gateway['connect']>): void {
    this.handed.push(`connect ${path} ${formatAuthority(authority)}`);
    socket.write('HTTP/1.1 200 Connected\r\n\r\n');
    socket.write(head);
    socket.pipe(socket);
  }

  fetch(...[path, target, , response]: Parameters<Gateway['fetch']>): void {
    this.handed.push(`fetch ${path} ${formatOrigin(target.origin)}${target.path}`);
    response.end('fetched');
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Served extends AsyncDisposable {
  readonly desk: StubDesk;
  readonly gateway: StubGateway;
  readonly server: ControlServer;
  readonly port: number;
  /** With the token unless the headers say otherwise; an `undefined` header is left out. */
  ask(
    method: string,
    path: string,
    options?: { readonly headers?: Record<string, string | undefined>; readonly body?: string },
  ): Promise<Reply>;
  /** Writes the text to a fresh connection and returns all that comes back until its end. */
  raw(text: string): Promise<string>;
}

export async function serve(clock: Clock = systemClock): Promise<Served> {
  const desk = new StubDesk();
  const gateway = new StubGateway();
  const server = await openControl({ listen: '127.0.0.1:0', token: TOKEN, desk, gateway, clock });
  const port = Number(server.address.split(':')[1]);
  desk.control = server.address;
  return {
    desk,
    gateway,
    server,
    port,
    ask: (method, path, { headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const given = { authorization: `Bearer ${TOKEN}`, ...headers };
        const request = httpRequest(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            agent: false,
            headers: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8');
            response.on('data', (chunk: string) => {
              text += chunk;
            });
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
            );
            response.on('error', reject);
          },
        );
        request.on('error', reject);
        request.end(body);
      }),
    raw: (text) =>
      new Promise((resolve, reject) => {
        let back = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
        socket.setEncoding('latin1');
        socket.on('data', (chunk: string) => {
          back += chunk;
        });
        socket.on('close', () => resolve(back));
        socket.on('error', (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ECONNRESET') reject(error);
        });
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
