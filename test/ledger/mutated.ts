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
import { exported, relinked, verdictOn } from './forged.ts';
import { fill, fillAndPrune, folder, household, type Keys, openLedger } from './written.ts';

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

interface Written {
  readonly file: Buffer;
  readonly lines: string[];
}

/** Two of the same neighbours, ours and another household's: whole, and such as retention has been at. */
async function writtenTwice(): Promise<readonly { readonly ours: Written; readonly theirs: Written }[]> {
  const neighbours: [Keys, Keys] = [household(), household()];
  const made = [];
  for (const fillOne of [fill, fillAndPrune])
    made.push({ ours: await written(fillOne, neighbours), theirs: await written(fillOne, neighbours) });
  return made;
}

async function written(fillOne: typeof fillAndPrune, neighbours: [Keys, Keys]): Promise<Written> {
  using dir = folder();
  const opened = openLedger(dir.path);
  fillOne(opened, LEASES, neighbours);
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
  /** The next three make the hashes behind it anew, up to where retention removed something. */
  rehash: (lines, { a, b }) =>
    relinked(lines, (all) => {
      const at = a % all.length;
      return all.with(
        at,
        (all[at] ?? '').replace(/"at":(\d+)/, (_, time) => `"at":${Number(time) + 1 + (b % 99)}`),
      );
    }),
  leave: (lines, { a, b }) => relinked(lines, (all) => all.toSpliced(a % all.length, 1 + (b % 3))),
  insert: (lines, { a }) =>
    relinked(lines, (all) => {
      const at = a % all.length;
      const line = (all[at] ?? '').replace(/"seq":(\d+)/, (_, seq) => `"seq":${Number(seq) + 1}`);
      return all.toSpliced(at + 1, 0, line);
    }),
  digit: (lines, { a, b, c }) => {
    const line = lines[a % lines.length] ?? '';
    const places = [...line.matchAll(/\d/g)].map(({ index }) => index);
    const place = places[b % Math.max(1, places.length)] ?? 0;
    return text(lines.with(a % lines.length, line.slice(0, place) + String(c % 10) + line.slice(place + 1)));
  },
};

export async function exportMutations(runs: number): Promise<Mutations> {
  const made = await writtenTwice();
  const random = fc.record({ how: fc.constantFrom(...Object.keys(OF_EXPORTS)), ...numbers });
  return await count(fc.sample(random, runs), made, async (one, { ours, theirs }) => {
    const whole = text(ours.lines);
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
  const made = await writtenTwice();
  const random = fc.record({ how: fc.constantFrom(...Object.keys(OF_FILES)), ...numbers });
  return await count(fc.sample(random, runs), made, async (one, { ours, theirs }) => {
    const whole = text(ours.lines);
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

/** Of what was written, each in its turn. */
async function count<T>(
  all: readonly Random[],
  made: readonly T[],
  tryOne: (random: Random, of: T) => Promise<Outcome | 'harmless'>,
): Promise<Mutations> {
  const counts = { named: 0, refused: 0, harmless: 0, unseen: 0 };
  const unseen: string[] = [];
  for (const [i, one] of all.entries()) {
    const of = made[i % made.length];
    if (of === undefined) break;
    const became = await tryOne(one, of);
    counts[became] += 1;
    if (became === 'unseen') unseen.push(JSON.stringify({ ...one, ledger: i % made.length }));
  }
  return { tried: all.length, ...counts, unseen };
}
