/**
 * An origin for tests: a TCP server that plays a script of raw bytes to each connection, and counts connections.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { RawPeer } from './raw-client.ts';

/** What is done with a connection; `index` counts from 0. */
export type Script = (peer: RawPeer, index: number) => Promise<unknown> | undefined;

export class RawOrigin implements AsyncDisposable {
  readonly #server: Server;
  readonly peers: RawPeer[] = [];
  /** What scripts threw; a test that ends early leaves some waiting, so nobody has to look. */
  readonly errors: unknown[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(script: Script) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = new RawPeer(socket);
      const index = this.peers.push(peer) - 1;
      for (const wake of this.#waiting) wake();
      Promise.resolve(script(peer, index)).catch((error: unknown) => this.errors.push(error));
    });
  }

  static async open(script: Script): Promise<RawOrigin> {
    const origin = new RawOrigin(script);
    origin.#server.listen(0, '127.0.0.1');
    await once(origin.#server, 'listening');
    return origin;
  }

  /** Answers every request on every connection with the same bytes. */
  static answering(response: string | Buffer): Promise<RawOrigin> {
    return RawOrigin.open(async (peer) => {
      for (;;) {
        await peer.message();
        peer.send(response);
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The connection of that index, as soon as there is one. */
  async peer(index = 0): Promise<RawPeer> {
    for (;;) {
      const peer = this.peers[index];
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    this.#server.close();
    await Promise.all(this.peers.map((peer) => peer.closed));
  }
}
