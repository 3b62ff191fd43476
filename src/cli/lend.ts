/**
 * The commands of `linepool lend`: what is lent now and why, and how that is changed. Clients of the control API. Units
 * are read here; whether a value can be is for the daemon to say.
 */
import { ControlClient } from '../control/client.ts';
import type { Lending } from '../control/schema.ts';
import { LinepoolError } from '../core/errors.ts';
import { parseBytes, parseDuration, parseRate } from '../core/units.ts';
import { NEIGHBOUR_KEYS, NONE } from '../lending/settings.ts';
import { showLending } from './lend-show.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import type { Print } from './table.ts';

export interface LendFlags extends PlaceFlags {
  readonly json?: boolean;
}

type Value = boolean | number | string | string[] | number[] | null;

const find = (flags: PlaceFlags): ControlClient => ControlClient.find(stateDirOf(flags));

export async function show(flags: LendFlags, print: Print): Promise<void> {
  answer(await find(flags).lending(), flags, print);
}

export async function set(key: string, value: string, flags: LendFlags, print: Print): Promise<void> {
  answer(await find(flags).lend({ set: { [key]: valueOf(key, value) } }), flags, print);
}

export async function unset(key: string, flags: LendFlags, print: Print): Promise<void> {
  answer(await find(flags).lend({ set: { [key]: null } }), flags, print);
}

/** `none` alone: no hours. */
export async function hours(parts: readonly string[], flags: LendFlags, print: Print): Promise<void> {
  const value = parts.length === 1 && parts[0] === NONE ? [] : [...parts];
  answer(await find(flags).lend({ set: { hours: value } }), flags, print);
}

export async function quota(
  flags: LendFlags & { readonly day?: string; readonly month?: string },
  print: Print,
): Promise<void> {
  const change = given({ quota_day: flags.day, quota_month: flags.month }, valueOf);
  answer(await find(flags).lend({ set: needed(change, '--day or --month is needed.') }), flags, print);
}

export async function pause(flags: LendFlags & { readonly for?: string }, print: Print): Promise<void> {
  const asked = flags.for === undefined ? 'for_good' : { forMs: timeOf(flags.for) };
  answer(await find(flags).lend({ pause: asked }), flags, print);
}

export async function resume(flags: LendFlags, print: Print): Promise<void> {
  answer(await find(flags).lend({ pause: 'no' }), flags, print);
}

export interface NeighbourFlags extends LendFlags {
  readonly allow?: boolean;
  readonly deny?: boolean;
  readonly weight?: string;
  readonly rate?: string;
  readonly rateUp?: string;
  readonly usual?: boolean;
  readonly quotaDay?: string;
  readonly quotaMonth?: string;
}

export async function neighbour(name: string, flags: NeighbourFlags, print: Print): Promise<void> {
  if (flags.allow === true && flags.deny === true) {
    throw new LinepoolError('usage', 'Either --allow or --deny.');
  }
  const { weight, rate, rateUp: rate_up, quotaDay: quota_day, quotaMonth: quota_month } = flags;
  const change = {
    ...(flags.usual === true ? Object.fromEntries(NEIGHBOUR_KEYS.map((key) => [key, null])) : {}),
    ...given({ weight, rate, rate_up, quota_day, quota_month }, (key, text) =>
      text === 'usual' ? null : valueOf(key, text),
    ),
    ...(flags.deny === true ? { allow: false } : {}),
    ...(flags.allow === true ? { allow: true } : {}),
  };
  const wanted = needed(change, 'Say what is to hold for it; see --help.');
  answer(await find(flags).lendTo(name, { set: wanted }), flags, print);
}

function answer(lending: Lending, { json }: LendFlags, print: Print): void {
  if (json === true) print(JSON.stringify(lending));
  else showLending(lending).forEach(print);
}

/** @throws LinepoolError `usage` when it has no unit, or one that doesn't fit */
function valueOf(key: string, text: string): Value {
  if (key === 'deny_hosts') return listOf(text);
  if (key === 'ports') return listOf(text).map(Number);
  if (text === NONE) return NONE;
  if (key === 'hours') return text.split(',').map((part) => part.trim());
  if (text === 'true' || text === 'false') return text === 'true';
  if (key.startsWith('quota_')) return read(parseBytes(text), key, text, 'a size, such as "20 GB"');
  if (/^(?:rate|keep)(?:_up)?$/.test(key)) {
    return read(parseRate(text), key, text, 'a rate, such as "20 Mbit/s"');
  }
  const number = /^-?\d+(?:\.\d+)?\s*%?$/.test(text) ? Number.parseFloat(text) : undefined;
  // The daemon says what such a key would take, or that there is none.
  return number ?? text;
}

/** `none`: an empty one. */
const listOf = (text: string): string[] => (text === NONE ? [] : text.split(',').map((part) => part.trim()));

function timeOf(text: string): number {
  return read(parseDuration(text), '--for', text, 'a time, such as "1 h"');
}

function read<T>(value: T | undefined, key: string, text: string, what: string): T {
  if (value !== undefined) return value;
  throw new LinepoolError('usage', `${key} needs ${what}, not ${JSON.stringify(text)}.`);
}

function given(
  texts: Readonly<Record<string, string | undefined>>,
  value: (key: string, text: string) => Value,
): Record<string, Value> {
  const entries = Object.entries(texts).flatMap(([key, text]) =>
    text === undefined ? [] : [[key, value(key, text)] as const],
  );
  return Object.fromEntries(entries);
}

function needed(change: Record<string, Value>, says: string): Record<string, Value> {
  if (Object.keys(change).length === 0) throw new LinepoolError('usage', says);
  return change;
}
