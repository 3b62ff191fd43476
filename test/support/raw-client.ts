/**
 * One end of a TCP connection for tests: sends raw bytes, and waits for what comes. Nothing is parsed but what is
 * asked for, so that a test sees exactly what was on the wire.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawMessage {
  /** The start line. */
  readonly line: string;
  readonly status: number;
  /** name, value, name, value, as received. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Fields after the last chunk. */
  readonly trailers: readonly string[];
}

export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  /** Everything received that was not taken yet. */
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  readonly #waiting = new Set<() => void>();
  /** Resolves when the connection is gone for good, in both directions. */
  readonly closed: Promise<void>;
  /** Resolves when the other side sends no more: it ended, reset, or went away. */
  readonly ended: Promise<void>;
  /** The error the connection ended with, such as ECONNRESET. */
  error: NodeJS.ErrnoException | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#ended = true;
        this.#wake();
        resolve();
      };
      socket.on('end', end).on('close', end);
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => resolve());
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** Text is sent byte for byte (latin1). */
  send(data: string | Buffer): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    return this;
  }

  /** An orderly end of what we send. */
  end(): this {
    this.socket.end();
    return this;
  }

  /** A reset. */
  reset(): this {
    this.socket.resetAndDestroy();
    return this;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #until(met: () => boolean): Promise<void> {
    while (!met()) {
      if (this.#ended) throw new Error(`ended after ${JSON.stringify(this.#buffer.toString('latin1'))}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  /** What is there and was not taken. */
  get pending(): string {
    return this.#buffer.toString('latin1');
  }

  /** Exactly so many bytes. */
  async bytes(length: number): Promise<Buffer> {
    await this.#until(() => this.#buffer.length >= length);
    return this.#take(length);
  }

  /** What is there, a byte at least. */
  async some(): Promise<Buffer> {
    await this.#until(() => this.#buffer.length > 0);
    return this.#take(this.#buffer.length);
  }

  /** Everything up to and including the text. */
  async through(text: string): Promise<string> {
    await this.#until(() => this.#buffer.includes(text, 0, 'latin1'));
    return this.#take(this.#buffer.indexOf(text, 0, 'latin1') + text.length).toString('latin1');
  }

  /** Everything until the other side ends. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) {
      const seen = this.#buffer.length;
      await this.#until(() => this.#buffer.length > seen || this.#ended);
    }
    return this.#take(this.#buffer.length);
  }

  /** One message; of a response to HEAD, say `bodyless`. Without a length, the body goes to the end. */
  async message({ bodyless = false } = {}): Promise<RawMessage> {
    const [line = '', ...lines] = (await this.through('\r\n\r\n')).slice(0, -4).split('\r\n');
    const headers = lines.flatMap(field);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0);
    const length = header({ headers }, 'content-length');
    const none = bodyless || (status >= 100 && status < 200) || status === 204 || status === 304;
    let body = Buffer.alloc(0);
    let trailers: string[] = [];
    if (none) body = Buffer.alloc(0);
    else if (header({ headers }, 'transfer-encoding') === 'chunked') [body, trailers] = await this.#chunks();
    else if (length !== undefined) body = Buffer.from(await this.bytes(Number(length)));
    else if (status !== 0) body = Buffer.from(await this.rest());
    return { line, status, headers, body, trailers };
  }

  async #chunks(): Promise<[Buffer<ArrayBuffer>, string[]]> {
    const chunks: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(await this.through('\r\n'), 16);
      if (size === 0) break;
      chunks.push(Buffer.from(await this.bytes(size)));
      await this.through('\r\n');
    }
    const trailers: string[] = [];
    for (;;) {
      const line = (await this.through('\r\n')).slice(0, -2);
      if (line === '') return [Buffer.concat(chunks), trailers];
      trailers.push(...field(line));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

function field(line: string): string[] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** The first value of a field. */
export function header(message: { readonly headers: readonly string[] }, name: string): string | undefined {
  const { headers } = message;
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === name) return headers[i + 1];
  return undefined;
}
