/** A thousand random alterations of an export, and of a file: each is named or refused, or altered nothing that is read. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assert as assertProperty, asyncProperty, constantFrom, nat, record } from 'fast-check';
import { LinepoolError } from '../../src/core/errors.ts';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { exported, verdictOn } from './forged.ts';
import { fill, folder, household, type Keys, openLedger } from './written.ts';

const RUNS = 1_000;

const neighbours: [Keys, Keys] = [household(), household()];
const written = async (leases: number) => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, leases, neighbours);
  opened.ledger[Symbol.dispose]();
  return { file: readFileSync(opened.file), lines: await exported(opened.file) };
};
const ours = await written(7);
const theirs = await written(7);

type Random = { readonly a: number; readonly b: number; readonly c: number };

/** Each makes other lines of them; `a`, `b` and `c` are any numbers. */
const ALTERATIONS: Readonly<Record<string, (lines: string[], random: Random) => string>> = {
  edit: (lines, { a, b, c }) => {
    const at = a % lines.length;
    const line = lines[at] ?? '';
    const place = b % line.length;
    const other = String.fromCharCode(32 + (c % 95));
    return text(lines.with(at, line.slice(0, place) + other + line.slice(place + 1)));
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
  splice: (lines, { a, b }) =>
    text(
      lines.toSpliced(
        a % lines.length,
        1 + (b % 3),
        ...theirs.lines.slice(a % lines.length, (a % lines.length) + 1 + (b % 3)),
      ),
    ),
  digit: (lines, { a, b, c }) => {
    const at = a % lines.length;
    let n = 0;
    const digits = (lines[at]?.match(/\d/g) ?? []).length;
    return text(
      lines.with(
        at,
        lines[at]?.replace(/\d/g, (digit) => (n++ === b % Math.max(1, digits) ? String(c % 10) : digit)) ??
          '',
      ),
    );
  },
};

const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
const random = record({ a: nat(), b: nat(), c: nat() });

/** Undefined when it is refused as no ledger. */
async function faultIn(altered: string) {
  try {
    return (await verdictOn(Buffer.from(altered, 'latin1'))).fault;
  } catch (error) {
    assert.ok(error instanceof LinepoolError, String(error));
    assert.equal(error.code, 'ledger_unreadable');
    return 'refused';
  }
}

test(`${RUNS} alterations of an export`, async () => {
  const whole = text(ours.lines);
  const named = { entry: 0, refused: 0, same: 0 };
  await assertProperty(
    asyncProperty(constantFrom(...Object.keys(ALTERATIONS)), random, async (name, numbers) => {
      const altered = ALTERATIONS[name]?.(ours.lines, numbers) ?? whole;
      if (altered === whole) {
        named.same += 1;
        return;
      }
      const fault = await faultIn(altered);
      assert.notEqual(fault, undefined, `${name} went unseen`);
      if (fault === 'refused') named.refused += 1;
      else named.entry += 1;
    }),
    { numRuns: RUNS },
  );
  assert.ok(named.entry > RUNS / 2, JSON.stringify(named));
});

test(`${RUNS} alterations of a file`, async () => {
  using dir = folder();
  const file = join(dir.path, 'altered');
  const sound = text(ours.lines);
  const seen = { named: 0, unread: 0 };
  await assertProperty(
    asyncProperty(
      constantFrom('bit', 'byte', 'zeros', 'truncate', 'other'),
      random,
      async (how, { a, b, c }) => {
        let bytes = Buffer.from(ours.file);
        const at = a % bytes.length;
        if (how === 'bit') bytes[at] = (bytes[at] ?? 0) ^ (1 << (b % 8));
        if (how === 'byte') bytes[at] = b % 256;
        if (how === 'zeros') bytes.fill(0, at, Math.min(bytes.length, at + (b % 600)));
        if (how === 'truncate') bytes = bytes.subarray(0, at);
        if (how === 'other')
          theirs.file.copy(bytes, at, c % theirs.file.length, (c % theirs.file.length) + (b % 600));
        writeFileSync(file, bytes);
        if (await isFound(file)) seen.named += 1;
        else {
          // Nothing that is read may have changed: it was in no entry, nor the head.
          assert.equal(text(await exported(file)), sound, `${how} at ${at} went unseen`);
          seen.unread += 1;
        }
      },
    ),
    { numRuns: RUNS },
  );
  assert.ok(seen.named > RUNS / 4, JSON.stringify(seen));
});

async function isFound(file: string): Promise<boolean> {
  try {
    await using source = await openSource(file);
    return (await verify(source, { all: true })).fault !== undefined;
  } catch (error) {
    assert.ok(error instanceof LinepoolError, String(error));
    assert.equal(error.code, 'ledger_unreadable');
    return true;
  }
}
