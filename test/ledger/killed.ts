/**
 * Kills, at random moments, a process that appends to a ledger, and verifies what it leaves; the next one goes on from there. For the
 * tests and for whoever wants many runs of it.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { folder, household } from './written.ts';

export interface KilledRuns {
  readonly runs: number;
  /** Runs after which every entry held, with the signed head. */
  readonly held: number;
  /** Entries that were said to be on record and were not, over all runs. */
  readonly lost: number;
  readonly entries: number;
  /** What did not hold, if anything. */
  readonly faults: readonly string[];
}

/** Entries that are waited for before the process is killed, at most. */
const LONGEST_WAIT = 60;

export async function killedRuns(runs: number): Promise<KilledRuns> {
  using dir = folder();
  const file = join(dir.path, 'ledger.sqlite');
  const keyFile = join(dir.path, 'key.pem');
  writeFileSync(keyFile, household().privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const faults: string[] = [];
  let lost = 0;
  let entries = 0;
  for (let run = 0; run < runs; run += 1) {
    const said = await killOne(file, keyFile);
    await using source = await openSource(file);
    const result = await verify(source, { all: run % 20 === 0 });
    entries = result.entries;
    lost += Math.max(0, said - entries);
    if (result.fault !== undefined) faults.push(`run ${run}, entry ${result.fault.seq}: ${result.fault.why}`);
  }
  return { runs, held: runs - faults.length, lost, entries, faults };
}

/** The last entry that the process said was on record. */
async function killOne(file: string, keyFile: string): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'appender.ts'), file, keyFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let left = randomInt(1, LONGEST_WAIT);
  let said = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    said = Math.max(said, Number(line) || 0);
    left -= 1;
    if (left !== 0) return;
    // Anywhere within the appends that follow, not only right after one.
    const spins = randomInt(0, 40_000);
    for (let i = 0; i < spins; i += 1) Math.sqrt(i);
    child.kill('SIGKILL');
  });
  const read = once(lines, 'close');
  await ended;
  await read;
  return said;
}
