/**
 * A household's line in user space: a TCP forwarder with a rate each way, one delay, and one bucket for all of
 * its connections. Used by the demo, the tests and the benches, where no kernel shaping can be had.
 *
 *     household ──► listen ══ up: turn, rate, delay ══► target (the origin)
 *               ◄──        ══ down                  ◄══
 *
 * It ends each TCP connection and makes another, so that slow start and loss are not modelled, and "drop-tail"
 * is back-pressure. A connection takes one round trip to open. It must never alter, lose or reorder a byte.
 */
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { type Bytes, type BytesPerSecond, KIB, MIB, type Milliseconds } from '../core/units.ts';
import { Shaper } from './shaper.ts';
import { Way, type WayLimits } from './way.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Shape {
  /** Towards the household; 0 lets nothing through. */
  readonly down: BytesPerSecond;
  readonly up: BytesPerSecond;
  /** One way. */
  readonly delay: Milliseconds;
  /** True: nothing moves, nothing ends, nothing is refused, as when a cable is cut. */
  readonly stalled: boolean;
}

export interface LineOptions extends Omit<Shape, 'stalled'> {
  readonly clock: Clock;
  /** Where it listens, and where connections made there go. Port 0 is any free port. */
  readonly routes: readonly { readonly listen: Endpoint; readonly to: Endpoint }[];
}

export interface Line extends AsyncDisposable {
  /** Where it listens, in the order of the routes. */
  readonly listening: readonly Endpoint[];
  /** Bytes that have come out of it. */
  readonly downBytes: Bytes;
  readonly upBytes: Bytes;
  readonly openConnections: number;
  /** Changes the shape from now on; what is left out stays. */
  reshape(change: Partial<Shape>): void;
}

/** What a router holds for one connection, in time of the line; no less and no more than the bounds. */
const QUEUE_MS: Milliseconds = 40;
const QUEUE_MIN_BYTES: Bytes = 64 * KIB;
const QUEUE_MAX_BYTES: Bytes = 2 * MIB;
/** Room for the timers' lateness on top of rate times delay. */
const WINDOW_SLACK_BYTES: Bytes = 512 * KIB;
/** Shortest pause between two looks at the line while it is busy. */
const TICK_MS: Milliseconds = 2;

/** Listens on every route until disposed of, which ends every connection at once. */
export async function startLine(options: LineOptions): Promise<Line> {
  const line = new ShapedLine(options);
  try {
    for (const route of options.routes) await line.listen(route.listen, route.to);
  } catch (error) {
    await line[Symbol.asyncDispose]();
    throw error;
  }
  return line;
}

/** A connection over the line. */
interface Passage {
  readonly client: Socket;
  readonly target: Socket;
  readonly up: Way;
  readonly down: Way;
  /** What the handshake still has to do, in order of time. */
  handshake: { readonly at: Milliseconds; readonly act: () => void }[];
  openSockets: number;
}

class ShapedLine implements Line {
  readonly listening: Endpoint[] = [];
  readonly #clock: Clock;
  readonly #servers: Server[] = [];
  readonly #passages = new Set<Passage>();
  readonly #up: Shaper<Way>;
  readonly #down: Shaper<Way>;
  #shape: Shape;
  #timer: { readonly at: Milliseconds; readonly handle: Disposable } | undefined;
  #running = false;
  downBytes: Bytes = 0;
  upBytes: Bytes = 0;

  constructor(options: LineOptions) {
    this.#clock = options.clock;
    this.#shape = { down: options.down, up: options.up, delay: options.delay, stalled: false };
    this.#up = new Shaper<Way>(options.up, this.#clock.now());
    this.#down = new Shaper<Way>(options.down, this.#clock.now());
  }

  get openConnections(): number {
    return this.#passages.size;
  }

  async listen(at: Endpoint, to: Endpoint): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) =>
      this.#accept(client, to),
    );
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at.port, at.host, resolve);
    });
    this.listening.push({ host: at.host, port: (server.address() as AddressInfo).port });
  }

  reshape(change: Partial<Shape>): void {
    this.#shape = { ...this.#shape, ...change };
    const { down, up, stalled } = this.#shape;
    this.#down.setRate(stalled ? 0 : down, this.#clock.now());
    this.#up.setRate(stalled ? 0 : up, this.#clock.now());
    for (const passage of this.#passages) {
      passage.down.limits = this.#limits(down);
      passage.up.limits = this.#limits(up);
    }
    this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = undefined;
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const { client, target } of this.#passages) {
      client.destroy();
      target.destroy();
    }
    await Promise.all(closed);
  }

  #limits(rate: BytesPerSecond): WayLimits {
    return {
      queueBytes: Math.min(QUEUE_MAX_BYTES, Math.max(QUEUE_MIN_BYTES, (rate * QUEUE_MS) / 1000)),
      windowBytes: WINDOW_SLACK_BYTES + (2 * rate * this.#shape.delay) / 1000,
    };
  }

  /** A client's SYN: it takes the delay to the target, and the answer takes it back. */
  #accept(client: Socket, to: Endpoint): void {
    const run = (): void => this.#run();
    const { delay, down, up } = this.#shape;
    const now = this.#clock.now();
    const target = new Socket({ allowHalfOpen: true });
    const passage: Passage = {
      client,
      target,
      up: new Way(this.#limits(up), run),
      down: new Way(this.#limits(down), run),
      handshake: [
        {
          at: now + delay,
          act: () => {
            target.setNoDelay(true);
            target.connect(to.port, to.host);
            passage.down.from(target);
          },
        },
        { at: now + 2 * delay, act: () => passage.up.from(client) },
      ],
      openSockets: 2,
    };
    passage.up.to(target);
    passage.down.to(client);
    this.#passages.add(passage);
    this.#up.add(passage.up);
    this.#down.add(passage.down);
    this.#follow(passage, client, passage.up);
    this.#follow(passage, target, passage.down);
    this.#run();
  }

  /** Passes the end of a socket on to the other side, and lets go of the passage when both have gone. */
  #follow(passage: Passage, socket: Socket, way: Way): void {
    const at = (): Milliseconds => this.#clock.now() + this.#shape.delay;
    socket.on('end', () => way.end(at()));
    // 'close' follows, and says that there was an error.
    socket.on('error', () => undefined);
    socket.on('close', (hadError) => {
      if (hadError || !socket.readableEnded) way.reset(at());
      passage.openSockets -= 1;
      if (passage.openSockets > 0) return;
      this.#passages.delete(passage);
      this.#up.remove(passage.up);
      this.#down.remove(passage.down);
    });
  }

  /** Sends and lands all that is due, and sets the timer for what comes next. */
  #run(): void {
    if (this.#running || this.#shape.stalled) return;
    this.#running = true;
    const now = this.#clock.now();
    for (const passage of this.#passages) {
      while (passage.handshake[0] !== undefined && passage.handshake[0].at <= now)
        passage.handshake.shift()?.act();
    }
    for (const shaper of [this.#up, this.#down]) {
      for (let quantum = shaper.next(now); quantum !== undefined; quantum = shaper.next(now))
        quantum.flow.take(quantum.bytes, quantum.through + this.#shape.delay);
    }
    let next = Infinity;
    for (const { up, down, handshake } of this.#passages) {
      this.upBytes += up.land(now);
      this.downBytes += down.land(now);
      next = Math.min(next, up.landsAt ?? Infinity, down.landsAt ?? Infinity, handshake[0]?.at ?? Infinity);
    }
    this.#running = false;
    // Only now: what landed may have made room for what waits.
    this.#wakeAt(Math.min(next, this.#up.nextAt() ?? Infinity, this.#down.nextAt() ?? Infinity), now);
  }

  #wakeAt(next: Milliseconds, now: Milliseconds): void {
    const at = Math.max(next, now + TICK_MS);
    if (this.#timer !== undefined) {
      if (this.#timer.at <= at) return;
      this.#timer.handle[Symbol.dispose]();
      this.#timer = undefined;
    }
    if (next === Infinity) return;
    const handle = this.#clock.after(at - now, () => {
      this.#timer = undefined;
      this.#run();
    });
    this.#timer = { at, handle };
  }
}
