/**
 * How large a ledger is and how long it takes to verify: 1,000,000 entries in the mix of a household that lends and borrows (leases with
 * a contact and as many receipts as their bytes need, 4 MiB apart), from its file and from an export.
 *
 *     node bench/ledger.ts [--entries N] [--receipts PER_LEASE] [--file FILE] [--json]
 *
 * `--file` keeps the ledger there, and takes the one that is there already.
 */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { LEDGER_FILE, type NewEntry } from '../src/ledger/entry.ts';
import { exportLines } from '../src/ledger/export.ts';
import { Ledger } from '../src/ledger/ledger.ts';
import { openSource } from '../src/ledger/source.ts';
import { type Verified, verify } from '../src/ledger/verify.ts';
import { Dealings, household, leaseId } from '../test/ledger/written.ts';

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    receipts: { type: 'string', default: '16' },
    file: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.entries);
/** On average; a download of 100 MB over three lines makes some eight at each neighbour. */
const perLease = Number(values.receipts);
const NEIGHBOURS = 8;
const STEP_BYTES = 4 * 2 ** 20;
/** Written in one transaction, which is the bench's own haste: a daemon appends one at a time. */
const AT_ONCE = 500;

const seconds = (from: number): number => Math.round(systemClock.now() - from) / 1000;

function* leases(us: ReturnType<typeof household>): Generator<NewEntry[]> {
  const neighbours = Array.from({ length: NEIGHBOURS }, household);
  const deals = neighbours.flatMap((one) => [
    new Dealings(us, one, 'lender'),
    new Dealings(us, one, 'borrower'),
  ]);
  for (let n = 0; ; n += 1) {
    const deal = deals[n % deals.length];
    if (deal === undefined) return;
    const id = leaseId(n);
    const entries: NewEntry[] = [
      deal.lease({ id, maxBytes: 2 ** 32, origin: `https://host-${n % 97}.example:443` }),
    ];
    if (deal.role === 'lender') entries.push(deal.contact(id, '203.0.113.7', systemClock.wall()));
    // From half to one and a half of the average.
    const receipts = Math.max(1, Math.round(perLease * (0.5 + (n % 11) / 10)));
    for (let k = 1; k <= receipts; k += 1) {
      entries.push(deal.receipt(id, k * STEP_BYTES, { last: k === receipts }));
    }
    yield entries;
  }
}

function write(file: string): void {
  const us = household();
  using ledger = Ledger.open({ file, clock: systemClock, household: us });
  let entries = 0;
  let batch: NewEntry[] = [];
  for (const lease of leases(us)) {
    batch.push(...lease);
    if (batch.length < AT_ONCE && entries + batch.length < wanted) continue;
    const added = ledger.appendAll(batch);
    if (added === undefined) throw new Error('the ledger refused entries');
    entries = added.at(-1)?.seq ?? entries;
    batch = [];
    if (entries >= wanted) break;
  }
}

async function verified(
  file: string,
): Promise<{ readonly result: Verified; readonly took: number; readonly cpu: number }> {
  const from = systemClock.now();
  const { user, system } = process.cpuUsage();
  await using source = await openSource(file);
  const result = await verify(source);
  if (result.fault !== undefined) throw new Error(`entry ${result.fault.seq}: ${result.fault.why}`);
  const used = process.cpuUsage();
  const cpu = Math.round((used.user + used.system - user - system) / 1e4) / 100;
  return { result, took: seconds(from), cpu };
}

const folder = mkdtempSync(join(tmpdir(), 'linepool-bench-ledger-'));
try {
  const file = values.file ?? join(folder, LEDGER_FILE);
  const exported = join(folder, 'ledger.jsonl');
  const writing = systemClock.now();
  if (!existsSync(file)) write(file);
  const writeSeconds = seconds(writing);
  const { size } = statSync(file);
  const fromFile = await verified(file);
  const { entries } = fromFile.result;
  const exporting = systemClock.now();
  writeFileSync(exported, '');
  {
    await using handle = await open(exported, 'w');
    for await (const lines of exportLines(file)) await handle.write(lines);
  }
  const exportSeconds = seconds(exporting);
  const fromExport = await verified(exported);
  const { checked, unchecked } = fromFile.result.signatures;
  const figures = {
    entries,
    leases: fromFile.result.leases,
    receipts: fromFile.result.receipts,
    bytesPerEntry: Math.round((size / entries) * 10) / 10,
    verifySeconds: fromFile.took,
    verifyCpuSeconds: fromFile.cpu,
    verifyExportSeconds: fromExport.took,
    verifyExportCpuSeconds: fromExport.cpu,
    signaturesChecked: checked,
    signaturesUnchecked: unchecked,
    exportBytesPerEntry: Math.round(statSync(exported).size / entries),
    exportSeconds,
    writeSeconds,
    peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  if (!values.json)
    for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name}: ${value}\n`);
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
