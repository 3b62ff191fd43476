/**
 * Discovery: being found on the local network for a while, and finding who wishes to be. Used by the introductions. Its library is
 * loaded when somebody asks for it; without that no packet is sent and none is read.
 *
 *     visible: announce ─► answers questions until it ends, then goodbye
 *     discover: question ─► answers ─► dns-sd.ts ─► a bounded list
 *
 * It must never be at work on an address that the whole Internet can reach.
 */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { MulticastDNS } from 'multicast-dns';
import type { Clock } from '../core/clock.ts';
import { formatAuthority, parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import {
  type Announced,
  announcement,
  isAskedFor,
  PSEUDONYM_CHARACTERS,
  pseudonymOf,
  readAnswer,
  SERVICE,
} from './dns-sd.ts';

/** One that was found: its name for this time, and where to call it. */
export interface Discovered {
  readonly name: string;
  /** host:port */
  readonly address: string;
}

/** How many are listed; who floods the network fills the list, and no more. */
export const DISCOVERED_MAX = 64;
/** Questions are sent this often while listening: packets on the radio get lost. */
const ASK_EVERY_MS: Milliseconds = 700;
/** At most so many answers in a second, whoever asks. */
const ANSWERS_PER_SECOND = 4;
/** Addresses at which we are at work at once. */
const ADDRESSES_MAX = 8;

/** A time of being found. Disposing of it says goodbye. */
export interface Announcing extends AsyncDisposable {
  readonly pseudonym: string;
  /** The addresses that it is said at; none: nobody can find us but who knows where we are. */
  readonly at: readonly string[];
}

const LOCAL_RANGES = new Set(['private', 'loopback', 'linkLocal', 'carrierGradeNat']);

/** An IPv4 address of a network of one's own. */
const isLocal = (address: string): boolean =>
  ipaddr.IPv4.isValid(address) && LOCAL_RANGES.has(ipaddr.IPv4.parse(address).range());

/** Where neighbours may be: the IPv4 addresses that the link listens on, else those of this machine; never public ones. */
export function localAddresses(
  listening: readonly string[],
): readonly { readonly host: string; readonly port: number }[] {
  const all = (port: number) =>
    Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => ({ host: address, port }));
  const found =
    listening.length === 0
      ? all(0)
      : listening.flatMap((text) => {
          const { host, port } = parseAuthority(text);
          return host === '0.0.0.0' || host === '::' ? all(port) : [{ host, port }];
        });
  const local = found.filter(({ host }) => isLocal(host));
  return [...new Map(local.map((one) => [one.host, one])).values()].slice(0, ADDRESSES_MAX);
}

/** The library on one address; undefined when it can't be at work there. Later errors of the network end nothing. */
async function openAt(address: string): Promise<MulticastDNS | undefined> {
  const { default: multicastDns } = await import('multicast-dns');
  // Bound to any address, or multicast would not arrive; sent from, and joined on, this one alone.
  const mdns = multicastDns({ interface: address, bind: '0.0.0.0', reuseAddr: true, loopback: true });
  const { promise: ready, resolve } = Promise.withResolvers<boolean>();
  mdns.on('ready', () => resolve(true));
  mdns.on('error', () => resolve(false));
  mdns.on('warning', () => undefined);
  if (await ready) return mdns;
  await closed(mdns);
  return undefined;
}

const closed = (mdns: MulticastDNS): Promise<void> =>
  new Promise((resolve) => {
    mdns.destroy(() => resolve());
  });

/** Is found under a name of its own until disposed of. */
export async function announce(listening: readonly string[], clock: Clock): Promise<Announcing> {
  const pseudonym = pseudonymOf(randomBytes(PSEUDONYM_CHARACTERS));
  const places = localAddresses(listening).filter(({ port }) => port !== 0);
  const opened = await Promise.all(
    places.map(async ({ host, port }) => {
      const mdns = await openAt(host);
      return mdns === undefined ? [] : [{ host, ends: announceAt(mdns, { pseudonym, port }, host, clock) }];
    }),
  );
  const announced = opened.flat();
  return {
    pseudonym,
    at: announced.map(({ host }) => host),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(announced.map(({ ends }) => ends[Symbol.asyncDispose]()));
    },
  };
}

function announceAt(
  mdns: MulticastDNS,
  announced: Announced,
  address: string,
  clock: Clock,
): AsyncDisposable {
  let answeredAt: Milliseconds = Number.NEGATIVE_INFINITY;
  const say = (ttl?: number): Promise<void> =>
    new Promise((resolve) => {
      mdns.respond({ answers: announcement(announced, address, ttl) }, () => resolve());
    });
  mdns.on('query', ({ questions }) => {
    if (!isAskedFor(questions ?? [], announced.pseudonym)) return;
    const now = clock.now();
    if (now - answeredAt < 1_000 / ANSWERS_PER_SECOND) return;
    answeredAt = now;
    void say();
  });
  void say();
  return {
    [Symbol.asyncDispose]: async () => {
      await say(0);
      await closed(mdns);
    },
  };
}

export interface DiscoverOptions {
  readonly clock: Clock;
  readonly forMs: Milliseconds;
  /** Our own name, while we are visible. */
  readonly except: string | undefined;
  /** Ends it early, with what was found by then. */
  readonly signal?: AbortSignal;
}

/** Listens for so long, and returns who was there at the end of it, in the order of their names. */
export async function discover(
  listening: readonly string[],
  { clock, forMs, except, signal }: DiscoverOptions,
): Promise<readonly Discovered[]> {
  const found = new Map<string, Discovered>();
  const opened = await Promise.all(localAddresses(listening).map(({ host }) => openAt(host)));
  const sockets = opened.filter((mdns) => mdns !== undefined);
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const ask = (): void => {
    for (const mdns of sockets) mdns.query({ questions: [{ name: SERVICE, type: 'PTR' }] });
  };
  for (const mdns of sockets) {
    mdns.on('response', ({ answers, additionals }, from) => {
      if (!isLocal(from.address)) return;
      const { announced, gone } = readAnswer([...(answers ?? []), ...(additionals ?? [])]);
      for (const name of gone) found.delete(name);
      for (const { pseudonym, port } of announced) {
        if (pseudonym === except || (found.size >= DISCOVERED_MAX && !found.has(pseudonym))) continue;
        const address = formatAuthority({ host: from.address, port });
        // The first that says so: a later one must not take its name.
        if (!found.has(pseudonym)) found.set(pseudonym, { name: pseudonym, address });
      }
    });
  }
  using _asking = clock.every(ASK_EVERY_MS, ask);
  using _ending = clock.after(forMs, end);
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  ask();
  await over;
  signal?.removeEventListener('abort', end);
  await Promise.all(sockets.map(closed));
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
