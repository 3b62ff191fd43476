/**
 * Random alterations of a ledger's export and of its file, and what becomes of each: named, refused, or harmless because nothing that
 * is read was altered. For the tests and for whoever wants many of them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { LinepoolError } from '../../src/core/errors.ts';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { exported, verdictOn } from './forged.ts';
import { fill, folder, household, type Keys, openLedger } from './written.ts';

export interface Mutations {
  readonly tried: number;
  /** By verify, which said which entry is the first that does not hold. */
  readonly named: number;
  /** As no ledger at all. */
  readonly refused: number;
  /** Every entry and the head are read as they were. */
  readonly harmless: number;
  /** Went unseen: what was done, so that it can be done again. Must be empty. */
  readonly unseen: readonly string[];
}

type Random = { readonly how: string; readonly a: number; readonly b: number; readonly c: number };
type Outcome = 'named' | 'refused' | 'unseen';

const LEASES = 7;
const numbers = { a: fc.nat(), b: fc.nat(), c: fc.nat() };
const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;

async function written(neighbours: [Keys, Keys]) {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, LEASES, neighbours);
  opened.ledger[Symbol.dispose]();
  return { file: readFileSync(opened.file), lines: await exported(opened.file) };
}

/** Each makes other lines of `lines`; `theirs` are of another household with the same neighbours. */
const OF_EXPORTS: Readonly<Record<string, (lines: string[], random: Random, theirs: string[]) => string>> = {
  edit: (lines, { a, b, c }) => {
    const line = lines[a % lines.length] ?? '';
    const place = b % line.length;
    const other = String.fromCharCode(32 + (c % 95));
    return text(lines.with(a % lines.length, line.slice(0, place) + other + line.slice(place + 1)));
  },
  flip: (lines, { a, b }) => {
    const bytes = Buffer.from(text(lines));
    const at = a % bytes.length;
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (b % 8));
    return bytes.toString('latin1');
  },
  truncate: (lines, { a }) => text(lines).slice(0, a % text(lines).length),
  cut: (lines, { a, b }) => text(lines.toSpliced(a % lines.length, 1 + (b % 5))),
  exchange: (lines, { a, b }) => {
    const [one, two] = [a % lines.length, b % lines.length];
    return text(lines.with(one, lines[two] ?? '').with(two, lines[one] ?? ''));
  },
  duplicate: (lines, { a, b }) => text(lines.toSpliced(b % lines.length, 0, lines[a % lines.length] ?? '')),
  splice: (lines, { a, b }, theirs) => {
    const [at, count] = [a % lines.length, 1 + (b % 3)];
    return text(lines.toSpliced(at, count, ...theirs.slice(at, at + count)));
  },
  digit: (lines, { a, b, c }) => {
    const line = lines[a % lines.length] ?? '';
    const places = [...line.matchAll(/\d/g)].map(({ index }) => index);
    const place = places[b % Math.max(1, places.length)] ?? 0;
    return text(lines.with(a % lines.length, line.slice(0, place) + String(c % 10) + line.slice(place + 1)));
  },
};

export async function exportMutations(runs: number): Promise<Mutations> {
  const neighbours: [Keys, Keys] = [household(), household()];
  const ours = await written(neighbours);
  const theirs = await written(neighbours);
  const whole = text(ours.lines);
  const random = fc.record({ how: fc.constantFrom(...Object.keys(OF_EXPORTS)), ...numbers });
  return await count(fc.sample(random, runs), async (one) => {
    const altered = OF_EXPORTS[one.how]?.(ours.lines, one, theirs.lines) ?? whole;
    if (altered === whole) return 'harmless';
    return await outcome(async () => (await verdictOn(Buffer.from(altered, 'latin1'))).fault);
  });
}

/** Each alters the bytes at `at`. */
const OF_FILES: Readonly<
  Record<string, (bytes: Buffer, at: number, random: Random, theirs: Buffer) => Buffer>
> = {
  bit: (bytes, at, { b }) => {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (b % 8));
    return bytes;
  },
  byte: (bytes, at, { b }) => {
    bytes[at] = b % 256;
    return bytes;
  },
  zeros: (bytes, at, { b }) => bytes.fill(0, at, Math.min(bytes.length, at + (b % 600))),
  truncate: (bytes, at) => bytes.subarray(0, at),
  splice: (bytes, at, { b, c }, theirs) => {
    const from = c % theirs.length;
    theirs.copy(bytes, at, from, from + (b % 600));
    return bytes;
  },
};

export async function fileMutations(runs: number): Promise<Mutations> {
  using dir = folder();
  const file = join(dir.path, 'altered');
  const neighbours: [Keys, Keys] = [household(), household()];
  const ours = await written(neighbours);
  const theirs = await written(neighbours);
  const whole = text(ours.lines);
  const random = fc.record({ how: fc.constantFrom(...Object.keys(OF_FILES)), ...numbers });
  return await count(fc.sample(random, runs), async (one) => {
    const bytes = Buffer.from(ours.file);
    writeFileSync(file, OF_FILES[one.how]?.(bytes, one.a % bytes.length, one, theirs.file) ?? bytes);
    const became = await outcome(async () => {
      await using source = await openSource(file);
      return (await verify(source, { all: true })).fault;
    });
    // Much of a file is in no entry and not in the head: what is read must be as it was.
    return became === 'unseen' && text(await exported(file)) === whole ? 'harmless' : became;
  });
}

async function outcome(fault: () => Promise<object | undefined>): Promise<Outcome> {
  try {
    return (await fault()) === undefined ? 'unseen' : 'named';
  } catch (error) {
    if (error instanceof LinepoolError && error.code === 'ledger_unreadable') return 'refused';
    throw error;
  }
}

async function count(
  all: readonly Random[],
  tryOne: (random: Random) => Promise<Outcome | 'harmless'>,
): Promise<Mutations> {
  const counts = { named: 0, refused: 0, harmless: 0, unseen: 0 };
  const unseen: string[] = [];
  for (const one of all) {
    const became = await tryOne(one);
    counts[became] += 1;
    if (became === 'unseen') unseen.push(JSON.stringify(one));
  }
  return { tried: all.length, ...counts, unseen };
}
