/**
 * Answers to receipts that are not what they should be, from a lender to a real borrower: two whole daemons that were really paired, a
 * pooled download, and a lender that answers one receipt with something else than its signature under it. None of it may be on the
 * borrower's record, the borrower must say so, and must sign nothing more for that lender, nor ever more than came.
 *
 * A borrower leaves such a lender alone for a minute, so that each try is a new life of both daemons.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ErrorCode } from '../src/core/errors.ts';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import { waitUntil } from '../src/demo/wait.ts';
import { type Attack, type Figures, type Means, NEVER } from './attack.ts';
import { temporaryFolder } from './households.ts';
import { type Recorded, recordedBy } from './pooled/recorded.ts';
import { openPooledScene, type PooledScene } from './pooled/scene.ts';
import { HONEST, type Line } from './receipts-answered/answers.ts';

const FORGER = pathToFileURL(resolve(import.meta.dirname, 'receipts-answered/forger.ts')).href;
const SAY_EVERY = 20;
/** With these a borrower signs nothing more for that lender; with others it drops the lease. */
const LEFT_ALONE: readonly string[] = ['receipt_unanswered', 'receipt_disputed'] satisfies ErrorCode[];
/** A borrower checks what it is answered at once. */
const SAID_MS: Milliseconds = 5_000;
/** While the own line brings so much, the lender's brings enough for one more receipt and some. */
const WHILE_OWN_BYTES: Bytes = 160_000;

export const receiptsAnswered: Attack = {
  name: 'receipts-answered',
  says: 'a lender answers receipts of a real borrower with forged, foreign and altered signatures, and false counts',
  bar: NEVER,
  quickTries: 2,
  tries: 100,
  run: (means) => forgedAnswers(means),
};

/**
 * `only`: that lie alone; `borrower`: what its process loads before its own code.
 * @throws LinepoolError `demo_failed` when the lender never got to forge: then nothing was found out
 */
export async function forgedAnswers(
  { tries, seed, signal, say }: Means,
  { only, borrower: unguarded }: { readonly only?: string; readonly borrower?: string } = {},
): Promise<Figures> {
  await using owned = new AsyncDisposableStack();
  const log = join(await temporaryFolder(owned), 'answers.jsonl');
  const asked = { log, seed: String(seed), ...(only === undefined ? {} : { only }) };
  const preload = {
    lender: (state: string) => `${FORGER}?${new URLSearchParams({ ...asked, state }).toString()}`,
    ...(unguarded === undefined ? {} : { borrower: () => unguarded }),
  };
  await using scene = await openPooledScene({ downloads: tries, preload, signal });
  const { borrower, lender } = scene;
  const wrong: string[] = [];
  let honest = 0;
  for (let i = 0; i < tries; i += 1) {
    if (i > 0) {
      await Promise.all([borrower.kill(), lender.kill()]);
      await Promise.all([borrower.restart(), lender.restart()]);
      await scene.untilOffered();
    }
    const life = await oneLife(scene, log);
    wrong.push(...complaintsOf(life).map((one) => `life ${i}, ${lieIn(life.lines)}: ${one}`));
    honest += life.lines.filter(({ says }) => says === HONEST).length;
    if ((i + 1) % SAY_EVERY === 0) say(`${i + 1} of ${tries}, ${wrong.length} wrong`);
  }
  return { tries, wrong: wrong.length, values: { 'honest answers': honest }, examples: wrong };
}

/** What came of one life of both daemons, in which one answer was forged. */
export interface Life {
  readonly origin: string;
  /** By the origin to the lender. */
  readonly sent: Bytes;
  /** What the lender answered, in order. */
  readonly lines: readonly Line[];
  /** Why the borrower says that a receipt came to nothing; empty when it says nothing. */
  readonly code: string;
  /** By the borrower, at the end. */
  readonly recorded: Recorded;
}

const isForged = ({ says }: Line): boolean => says !== HONEST;
const lieIn = (lines: readonly Line[]): string => lines.find(isForged)?.says ?? '';

async function oneLife(scene: PooledScene, log: string): Promise<Life> {
  const { borrower, patience } = scene;
  const before = linesIn(log).length;
  const lines = (): readonly Line[] => linesIn(log).slice(before);
  using pooled = scene.download();
  await waitUntil('the lender forges an answer', patience, () => lines().some(isForged));
  let code = '';
  const isSaid = async (): Promise<boolean> => {
    for (const { event } of await borrower.control.eventsKept())
      if (event.kind === 'receipt_failed') code = event.code;
    return code !== '';
  };
  // What is taken without a word is what is looked for.
  await waitUntil('the borrower says so', { ...patience, bound: SAID_MS }, isSaid).catch(() =>
    patience.signal.throwIfAborted(),
  );
  const own = (await pooled.brought('own')) + WHILE_OWN_BYTES;
  const hasGoneOn = async (): Promise<boolean> =>
    (await pooled.brought('own')) >= own || !(await pooled.isLive());
  await waitUntil('the download goes on', patience, hasGoneOn);
  // First, since the borrower may go on under another lease: what is on record now was sent and answered by now.
  const recorded = await recordedBy(borrower.stateDir, true);
  const { origin, sent } = pooled;
  return { origin, sent, lines: lines(), code, recorded };
}

/** What must not be. Pure. */
export function complaintsOf({ origin, sent, lines, code, recorded }: Life): readonly string[] {
  const complaints: string[] = [];
  if (recorded.fault !== undefined) complaints.push(`the borrower's ledger, ${recorded.fault}`);
  const good = new Set(lines.map(({ lender }) => lender));
  for (const { origin: of, total, countersigned } of recorded.leases.values()) {
    if (of !== origin) continue;
    if (countersigned.some((token) => !good.has(token))) complaints.push('a forged answer is on record');
    if (total > sent) complaints.push(`${total} bytes are signed for, and the origin sent ${sent}`);
  }
  if (code === '') complaints.push('the borrower says nothing of it');
  const at = lines.findIndex(isForged);
  const after = lines.slice(at + 1);
  if (LEFT_ALONE.includes(code) && after.length > 0) complaints.push('the borrower goes on signing');
  if (after.some(({ lease }) => lease === lines[at]?.lease))
    complaints.push('the borrower goes on signing under the same lease');
  return complaints;
}

function linesIn(log: string): readonly Line[] {
  if (!existsSync(log)) return [];
  const text = readFileSync(log, 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}
