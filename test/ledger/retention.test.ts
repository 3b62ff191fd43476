/** That what is too old goes, whole leases at a time, and what stays holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PRUNE_EVERY_MS } from '../../src/ledger/ledger.ts';
import { LEAST_KEPT_MS } from '../../src/ledger/retention.ts';
import { openSource, readEntries } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { chained, entriesOf, exported, relinked, verdictOn } from './forged.ts';
import {
  DAY_MS,
  Dealings,
  fill,
  fillAndPrune,
  folder,
  household,
  type Keys,
  leaseId,
  openLedger,
} from './written.ts';

const DAY = DAY_MS;
const KEEP = 60 * DAY;

async function verdict(file: string) {
  await using source = await openSource(file);
  return await verify(source, { all: true });
}

async function kinds(file: string): Promise<string[]> {
  await using source = await openSource(file);
  const all = [];
  for await (const { content } of readEntries(source)) all.push(content.kind);
  return all;
}

test('leases that are over and old go, keys and what is young stay', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  const { ledger, clock, file, us } = opened;
  const neighbours: [ReturnType<typeof household>, ReturnType<typeof household>] = [household(), household()];
  fill(opened, 6, neighbours);
  const deal = new Dealings(us, neighbours[0], 'lender');
  // Begun before and going on after: it stays whole.
  ledger.append(deal.lease({ id: leaseId(90) }));
  ledger.append(deal.receipt(leaseId(90), 1));
  clock.advance(KEEP);
  ledger.append(deal.receipt(leaseId(90), 2));
  ledger.append(deal.lease({ id: leaseId(91) }));
  const before = (await kinds(file)).length;
  assert.equal(ledger.prune(KEEP + DAY), 0);
  assert.equal((await kinds(file)).length, before);
  const removed = ledger.prune(KEEP - DAY);
  assert.deepEqual(await kinds(file), [
    'begin',
    'party',
    'party',
    'lease',
    'receipt',
    'receipt',
    'lease',
    'pruned',
  ]);
  assert.equal(removed, before - 7);
  assert.equal(ledger.prune(KEEP - DAY), 0);
  const { fault, prunedThrough } = await verdict(file);
  assert.equal(fault, undefined);
  assert.equal(prunedThrough, before - 2);
  assert.ok(ledger.append(deal.receipt(leaseId(90), 3)));
  // Later that lease is over and old too, with the entry that told of the removal.
  clock.advance(2 * KEEP);
  ledger.append(deal.lease({ id: leaseId(92) }));
  assert.ok(ledger.prune(KEEP) > 0);
  assert.deepEqual(await kinds(file), ['begin', 'party', 'party', 'lease', 'pruned']);
  assert.equal((await verdict(file)).fault, undefined);
  assert.equal((await verdictOn(`${(await exported(file)).join('\n')}\n`)).fault, undefined);
  ledger[Symbol.dispose]();
});

test('a gap that no entry tells of is named', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 6);
  opened.clock.advance(KEEP);
  fill(opened, 1);
  opened.ledger.prune(KEEP / 2);
  opened.ledger[Symbol.dispose]();
  const lines = await exported(opened.file);
  assert.equal((await verdictOn(`${lines.join('\n')}\n`)).fault, undefined);
  const gap = lines.findIndex((line) => line.startsWith('{"removed"'));
  const [first] = [Number(/"removed":(\d+)/.exec(lines[gap] ?? '')?.[1])];
  const without = lines.toSpliced(gap, 1);
  assert.match((await verdictOn(`${without.join('\n')}\n`)).fault?.why ?? '', /missing/);
  const other = lines.with(gap, `{"removed":${first},"hash":"${'A'.repeat(43)}"}`);
  assert.ok((await verdictOn(`${other.join('\n')}\n`)).fault);
  // The household may hide what it likes of its old entries; that some are hidden must show.
  const young = lines.with(0, (lines[0] ?? '').replace(/"prunedThrough":\d+/, '"prunedThrough":0'));
  assert.match((await verdictOn(`${young.join('\n')}\n`)).fault?.why ?? '', /too young/);
  const untold = lines.with(0, (lines[0] ?? '').replace(/"prunedThrough":\d+/, '"prunedThrough":9999'));
  assert.match((await verdictOn(`${untold.join('\n')}\n`)).fault?.why ?? '', /no entry says|missing/);
  const entries = entriesOf(lines.filter((line) => !line.startsWith('{"removed"')));
  assert.ok((await verdictOn(chained(lines[0] ?? '', entries, opened.us))).fault);
});

const isContact = (line: string): boolean => line.includes('"kind":"contact"');
const LAST_CONTACT = 'the last entry before a gap';

/** Without our household's key: hashes are made anew as far as the next gap, whose hash stays. */
const FORGERIES: Readonly<Record<string, (lines: string[]) => readonly string[]>> = {
  [`${LAST_CONTACT}, edited`]: (lines) => {
    const at = lines.findLastIndex(isContact);
    return lines.with(at, (lines[at] ?? '').replace('192.0.2.91', '192.0.2.99'));
  },
  [`${LAST_CONTACT}, left out`]: (lines) => lines.toSpliced(lines.findLastIndex(isContact), 1),
  'an entry put in where one was removed': (lines) => {
    const at = lines.findLastIndex(isContact);
    const line = lines[at] ?? '';
    const { seq } = (JSON.parse(line) as { entry: { seq: number } }).entry;
    return lines.toSpliced(at + 1, 0, line.replace(`"seq":${seq}`, `"seq":${seq + 1}`));
  },
  'an entry that passes for one that was removed': (lines) => {
    const at = lines.findLastIndex(isContact);
    const { entry, hash } = JSON.parse(lines[at] ?? '') as { entry: { seq: number }; hash: string };
    return lines.with(at, `{"removed":${entry.seq},"hash":"${hash}"}`);
  },
};

for (const [what, forge] of Object.entries(FORGERIES))
  test(`of what retention left nothing can be altered: ${what}`, async () => {
    using dir = folder();
    const opened = openLedger(dir.path);
    fillAndPrune(opened, 4, [household(), household()]);
    opened.ledger[Symbol.dispose]();
    const lines = await exported(opened.file);
    assert.equal(
      relinked(lines, (same) => same),
      `${lines.join('\n')}\n`,
    );
    assert.equal((await verdictOn(`${lines.join('\n')}\n`)).fault, undefined);
    // A gap must follow right behind, or the chain alone would tell.
    assert.ok(lines[lines.findLastIndex(isContact) + 1]?.startsWith('{"removed"'));
    const { fault } = await verdictOn(relinked(lines, forge));
    assert.match(fault?.why ?? '', /is not what retention left/);
    assert.ok(
      lines.some(
        (line) => line.startsWith(`{"entry":{"seq":${fault?.seq},`) && line.includes('"kind":"pruned"'),
      ),
    );
  });

test('a removal that was recorded without a hash of what it left still holds', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fillAndPrune(opened, 4, [household(), household()]);
  opened.ledger[Symbol.dispose]();
  const lines = await exported(opened.file);
  const before = relinked(lines, (all) => all.map((line) => line.replace(/,"kept":"[^"]+"/, '')), opened.us);
  assert.ok(!before.includes('"kept"') && before !== `${lines.join('\n')}\n`);
  assert.equal((await verdictOn(before)).fault, undefined);
});

/** One entry, behind the ledger's back. */
function alter(file: string, text: string): void {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const database = new DatabaseSync(file);
  const altered = database.prepare(text).run();
  database.close();
  assert.equal(altered.changes, 1);
}

/** What verify names once retention has looked, which must have removed nothing. */
async function faultOncePruned(path: string, us: Keys) {
  const again = openLedger(path, {}, us);
  again.clock.advance(200 * DAY);
  fill(again, 1);
  assert.equal(again.ledger.prune(KEEP), 0);
  again.ledger[Symbol.dispose]();
  return (await verdict(again.file)).fault;
}

test('what was altered after a removal is left for verify to name, and not hidden by the next removal', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  const neighbours: [ReturnType<typeof household>, ReturnType<typeof household>] = [household(), household()];
  fillAndPrune(opened, 4, neighbours);
  // More than the ledger looks at when it is opened.
  fill(opened, 4, neighbours);
  opened.ledger[Symbol.dispose]();
  alter(opened.file, "UPDATE entries SET hash = zeroblob(32) WHERE body LIKE '%192.0.2.91%'");
  assert.ok(await faultOncePruned(dir.path, opened.us));
});

test('what was altered before any removal is left for verify to name', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 4);
  // More than the ledger looks at when it is opened.
  opened.clock.advance(1_000);
  fill(opened, 4);
  opened.ledger[Symbol.dispose]();
  // Its hash stays as it was: what follows it would not tell.
  alter(opened.file, 'UPDATE entries SET at = at + 1 WHERE seq = 4');
  assert.equal((await faultOncePruned(dir.path, opened.us))?.seq, 4);
});

test('it happens by itself once an hour, and never sooner', async () => {
  using dir = folder();
  const opened = openLedger(dir.path, { keep: KEEP });
  fill(opened, 4);
  opened.clock.stepWall(2 * KEEP);
  fill(opened, 1);
  const before = (await kinds(opened.file)).length;
  opened.clock.advance(PRUNE_EVERY_MS);
  assert.ok((await kinds(opened.file)).length < before);
  assert.equal((await verdict(opened.file)).fault, undefined);
  opened.ledger[Symbol.dispose]();
  assert.equal(opened.clock.pending, 0);
  assert.ok(LEAST_KEPT_MS < KEEP);
});

test('in whatever order leases come and go, what stays holds, and every lease that is not over stays', async () => {
  const act = fc.oneof(
    fc.record({ do: fc.constant('lease' as const), n: fc.nat(9) }),
    fc.record({ do: fc.constant('receipt' as const), n: fc.nat(9) }),
    fc.record({ do: fc.constant('wait' as const), n: fc.nat(40) }),
    fc.record({ do: fc.constant('prune' as const), n: fc.nat(9) }),
  );
  const us = household();
  const deal = new Dealings(us, household(), 'lender');
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      using dir = folder();
      const { ledger, clock, file } = openLedger(dir.path, {}, us);
      const last = new Map<string, number>();
      let total = 0;
      for (const { do: what, n } of acts) {
        const id = leaseId(n);
        total += 1;
        if (what === 'wait') clock.advance(n * DAY);
        if (what === 'prune') ledger.prune(KEEP);
        // A lease that is on record already gives the entry of then.
        const entry =
          what === 'lease'
            ? ledger.append(deal.lease({ id }))
            : what === 'receipt'
              ? ledger.append(deal.receipt(id, total))
              : undefined;
        if (entry !== undefined) last.set(id, Math.max(last.get(id) ?? 0, entry.at));
      }
      ledger.append(deal.lease({ id: leaseId(99) }));
      ledger.prune(KEEP);
      assert.equal((await verdict(file)).fault, undefined);
      for (const [id, at] of last) {
        if (at >= clock.wall() - KEEP) assert.ok(ledger.carried('lender', deal.borrower.id, id), id);
      }
      ledger[Symbol.dispose]();
    }),
    { numRuns: 60 },
  );
});
