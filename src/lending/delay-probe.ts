/**
 * Asking the line how long it takes: the smallest question to a name server at its other end, over UDP, and the time until the
 * answer, or until somebody says that there is none to be had. Opened by daemon.ts; asked by delay-watch.ts.
 * It must never have more than one question under way, nor ask anybody in this home what it may know by itself: that would say
 * nothing about the line. A router that passes on questions is asked each time for a name that nobody has asked for before.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import { type Authority, parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { LOST_MS } from './delay.ts';

const DNS_PORT = 53;
/** Of chance in a name that was never asked for. */
const NEW_NAME_BYTES = 6;
/** Where systems keep the name servers that the line brought; the first that names one counts. */
const RESOLVER_FILES = [
  '/tmp/resolv.conf.d/resolv.conf.auto',
  '/run/systemd/resolve/resolv.conf',
  '/etc/resolv.conf',
] as const;

/** The first name server of such a text that is not this machine. */
export function nameServerIn(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [, server = ''] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    if (isIP(server) !== 0 && ipaddr.parse(server).range() !== 'loopback') return server;
  }
  return undefined;
}

/** Undefined where there is no name server but this machine. */
function nameServer(): Authority | undefined {
  for (const file of RESOLVER_FILES) {
    try {
      const host = nameServerIn(readFileSync(file, 'utf8'));
      if (host !== undefined) return { host, port: DNS_PORT };
    } catch {
      // Not a system of that kind.
    }
  }
  return undefined;
}

/** Whom the setting `line.probe` means; undefined: nobody is asked. */
export function probed(setting: string): Authority | undefined {
  if (setting === 'none') return undefined;
  return setting === 'auto' ? nameServer() : parseAuthority(setting);
}

const HOME_RANGES: ReadonlySet<string> = new Set(['private', 'linkLocal', 'uniqueLocal']);

/** On this side of the line. */
const isAtHome = (host: string): boolean => isIP(host) !== 0 && HOME_RANGES.has(ipaddr.process(host).range());

/**
 * Of whom is asked: of one beyond the line for the root, which every resolver has at hand. Of one at home for a new name
 * each time, that it has to pass on. Nothing is below `alt` (RFC 9476), which the resolver beyond knows after the first time;
 * for `invalid` many routers answer by themselves.
 */
const labelsFor = (host: string): readonly string[] =>
  isAtHome(host) ? [randomBytes(NEW_NAME_BYTES).toString('hex'), 'alt'] : [];

/** For name servers: 17 bytes for those of the root. */
export function questionFor(host: string, id: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  // Recursion is desired: who is no resolver may refuse, which is an answer.
  head.writeUInt16BE(0x01_00, 2);
  head.writeUInt16BE(1, 4);
  const name = labelsFor(host).flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  // The root, NS, IN.
  return Buffer.concat([head, ...name, Buffer.of(0, 0, 2, 0, 1)]);
}

type Asking = { readonly id: number; readonly at: Milliseconds; readonly lost: Disposable };

export class DelayProbe implements Disposable {
  readonly #target: Authority;
  readonly #clock: Clock;
  readonly #answered: (ms: Milliseconds | undefined) => void;
  #socket: Socket | undefined;
  #asking: Asking | undefined;

  /** `answered`: how long it took; undefined when nothing came. Called once for each question. */
  constructor(target: Authority, clock: Clock, answered: (ms: Milliseconds | undefined) => void) {
    this.#target = target;
    this.#clock = clock;
    this.#answered = answered;
  }

  /** Asks, unless a question is under way. */
  ask(): void {
    if (this.#asking !== undefined) return;
    const id = randomInt(0x1_00_00);
    const lost = this.#clock.after(LOST_MS, () => {
      // Another socket next time: the line may have another address by then.
      this.#close();
      this.#settle(undefined);
    });
    this.#asking = { id, at: this.#clock.now(), lost };
    const { host, port } = this.#target;
    this.#open().send(questionFor(host, id), port, host);
  }

  [Symbol.dispose](): void {
    this.#asking?.lost[Symbol.dispose]();
    this.#asking = undefined;
    this.#close();
  }

  #open(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = createSocket(isIP(this.#target.host) === 6 ? 'udp6' : 'udp4');
    this.#socket = socket;
    socket.on('message', (message) => {
      const asking = this.#asking;
      if (asking === undefined || message.length < 2 || message.readUInt16BE(0) !== asking.id) return;
      this.#settle(this.#clock.now() - asking.at);
    });
    // No way there: the question counts as lost when its time is up.
    socket.on('error', () => this.#close());
    socket.unref();
    return socket;
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.removeAllListeners();
    // A question that can't be sent any more is told after the end.
    socket?.on('error', () => undefined);
    socket?.close();
  }

  #settle(ms: Milliseconds | undefined): void {
    this.#asking?.lost[Symbol.dispose]();
    this.#asking = undefined;
    this.#answered(ms);
  }
}
