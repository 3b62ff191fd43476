/**
 * Units: bytes, bytes per second and milliseconds, parsed and printed here and nowhere else.
 * Every number in linepool that has a dimension is one of these, and its name says which.
 * This file must never round a value that is computed with; only what people read is rounded.
 */

/** A count of bytes; an integer >= 0. */
export type Bytes = number;
/** A rate in bytes (not bits) per second, >= 0. */
export type BytesPerSecond = number;
/** A length of time or a point on a clock, in milliseconds; may be fractional. */
export type Milliseconds = number;

export const KIB: Bytes = 1024;
export const MIB: Bytes = 1024 * KIB;
export const GIB: Bytes = 1024 * MIB;

/** A line's rate is that of packets: so many bytes of them for each byte that full ones of TCP carry (RFC 9293, RFC 7323). */
export const PACKET_OVERHEAD = 1500 / 1448;

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: KIB,
  mib: MIB,
  gib: GIB,
  tib: 1024 * GIB,
};

const RATE_UNITS: Readonly<Record<string, number>> = {
  'bit/s': 1 / 8,
  'kbit/s': 1e3 / 8,
  'mbit/s': 1e6 / 8,
  'gbit/s': 1e9 / 8,
  'tbit/s': 1e12 / 8,
  'b/s': 1,
  'kb/s': 1e3,
  'mb/s': 1e6,
  'gb/s': 1e9,
  'kib/s': KIB,
  'mib/s': MIB,
  'gib/s': GIB,
};

const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  min: 60e3,
  h: 3600e3,
  d: 86_400e3,
};

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z/]*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const factor = units[(match[2] ?? '').toLowerCase()];
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

/** `"16 MiB"`, `"1.5 GB"`, `"512"` (bytes). Undefined when it is not a size. */
export function parseBytes(text: string): Bytes | undefined {
  const value = parseQuantity(text, BYTE_UNITS);
  return value === undefined ? undefined : Math.round(value);
}

/** `"50 Mbit/s"`, `"6 MB/s"`; a unit is required, since bits and bytes are confused too easily. */
export function parseRate(text: string): BytesPerSecond | undefined {
  return parseQuantity(text, RATE_UNITS);
}

/** `"300 ms"`, `"2 s"`, `"15 min"`, `"1 h"`, `"30 d"`; a unit is required. Whole milliseconds, as timers want them: what is more than nothing is one at least. */
export function parseDuration(text: string): Milliseconds | undefined {
  const ms = parseQuantity(text, TIME_UNITS);
  return ms === undefined ? undefined : Math.round(ms) || Math.ceil(ms);
}

function scaled(value: number, base: number, names: readonly string[]): string {
  let step = 0;
  let left = value;
  while (left >= base && step < names.length - 1) {
    left /= base;
    step += 1;
  }
  const digits = step === 0 || left >= 100 ? 0 : left >= 10 ? 1 : 2;
  return `${left.toFixed(digits)} ${names[step] ?? ''}`;
}

/** For people: `"1.50 MiB"`. */
export function formatBytes(bytes: Bytes): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

/** For people, in bits as lines are sold: `"48.2 Mbit/s"`. */
export function formatRate(rate: BytesPerSecond): string {
  return scaled(rate * 8, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
}

/** For people: `"420 ms"`, `"3.2 s"`, `"4 min 05 s"`, `"2 h 10 min"`. */
export function formatDuration(ms: Milliseconds): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  // What would be rounded to 60.0 s is a minute.
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
