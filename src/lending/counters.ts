/**
 * The counters of the line: which interfaces lead to the Internet, and what they have carried, read out of the texts of
 * Linux's /proc/net. Pure: line-watch.ts reads the files. What can't be understood is left out, never guessed.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** As the kernel counts: they wrap at 32 or 64 bits, and begin anew when an interface does. */
export interface Counters {
  readonly rx: bigint;
  readonly tx: bigint;
}

/** No line is faster; more than this between two readings is a counter that jumped. */
export const PLAUSIBLE_MAX: BytesPerSecond = 1.25e9;
/** Readings close together may be late by a driver's own rhythm. */
const PLAUSIBLE_SPARE: Bytes = 4e6;

const ROUTE_UP = 0x1;
const ROUTE_REJECT = 0x200;
const WRAP_32 = 2n ** 32n;
const WRAP_64 = 2n ** 64n;

interface DefaultRoute {
  readonly name: string;
  readonly metric: number;
}

/** The interface of the default route, of `/proc/net/route` (IPv4); of several the one that is used. */
export function defaultInterface4(text: string): string | undefined {
  const routes = rows(text).flatMap((row): DefaultRoute[] => {
    const [name = '', destination, , flags, , , metric, mask] = row;
    if (Number.parseInt(destination ?? '', 16) !== 0 || Number.parseInt(mask ?? '', 16) !== 0) return [];
    return routable(flags) ? [{ name, metric: Number(metric) }] : [];
  });
  return leastMetric(routes);
}

/** The same of `/proc/net/ipv6_route`. */
export function defaultInterface6(text: string): string | undefined {
  const routes = rows(text).flatMap((row): DefaultRoute[] => {
    const [destination, prefix, , , , metric = '', , , flags, name = ''] = row;
    if (!/^0{32}$/.test(destination ?? '') || prefix !== '00' || name === 'lo') return [];
    return routable(flags) ? [{ name, metric: Number.parseInt(metric, 16) }] : [];
  });
  return leastMetric(routes);
}

export interface ArpEntry {
  readonly address: string;
  readonly device: string;
}

/** Who has been heard on which interface, of `/proc/net/arp` (IPv4). */
export function arpEntries(text: string): readonly ArpEntry[] {
  return rows(text).flatMap(([address = '', , flags = '', , , device = '']) =>
    /^[\d.]+$/.test(address) && Number.parseInt(flags, 16) > 0 ? [{ address, device }] : [],
  );
}

/** What each interface has received and sent, of `/proc/net/dev`. */
export function interfaceCounters(text: string): ReadonlyMap<string, Counters> {
  const found = new Map<string, Counters>();
  for (const line of text.split('\n')) {
    // The name may stand right against the first number.
    const [, name, numbers = ''] = /^\s*(\S+?):\s*(\d.*)$/.exec(line) ?? [];
    const [rx, , , , , , , , tx] = numbers.trim().split(/\s+/);
    if (name === undefined || !/^\d+$/.test(rx ?? '') || !/^\d+$/.test(tx ?? '')) continue;
    found.set(name, { rx: BigInt(rx ?? 0), tx: BigInt(tx ?? 0) });
  }
  return found;
}

/** What was counted between two readings of one counter; undefined when it jumped, or began anew. */
export function counted(before: bigint, after: bigint, elapsed: Milliseconds): Bytes | undefined {
  const plausible = (difference: bigint): boolean =>
    difference >= 0n && Number(difference) <= (PLAUSIBLE_MAX * elapsed) / 1000 + PLAUSIBLE_SPARE;
  const difference = after - before;
  for (const wrapped of [difference, difference + WRAP_32, difference + WRAP_64]) {
    if (plausible(wrapped) && (wrapped === difference || hasWrapped(before, wrapped - difference))) {
      return Number(wrapped);
    }
  }
  return undefined;
}

/** A counter of 32 bits is never above them. */
const hasWrapped = (before: bigint, at: bigint): boolean => before < at;

const rows = (text: string): readonly (readonly string[])[] =>
  text.split('\n').map((line) => line.trim().split(/\s+/));

function routable(flags = ''): boolean {
  const bits = Number.parseInt(flags, 16);
  return (bits & ROUTE_UP) !== 0 && (bits & ROUTE_REJECT) === 0;
}

function leastMetric(routes: readonly DefaultRoute[]): string | undefined {
  return routes.reduce<DefaultRoute | undefined>(
    (best, one) => (best === undefined || one.metric < best.metric ? one : best),
    undefined,
  )?.name;
}
