/**
 * What is kept in the repository of the rounds that the report is made of: the figures, one line of JSON for each scenario, without what was
 * sampled meanwhile. Pure; report.ts writes it.
 */
import type { Milliseconds } from '../../src/core/units.ts';
import { type Evaluated, OWN_PATH } from '../figures.ts';
import { type PooledRun, type Round, shownMachine } from '../results.ts';
import type { Transfer } from '../watched.ts';

const tenths = (ms: Milliseconds): Milliseconds => Math.round(ms * 10) / 10;
const transfer = ({ bytes, ms }: Transfer) => ({ bytes, ms: tenths(ms) });

const run = ({ scheme, isRight, codes, bytesByPath, cpuMs, smallMs, ...one }: PooledRun) => ({
  scheme,
  ...transfer(one),
  isRight,
  codes,
  ownBytes: bytesByPath[OWN_PATH],
  bytesTwice: one.bytesTwice,
  peakWindowBytes: one.peakWindowBytes,
  cpuMs: Object.fromEntries(Object.entries(cpuMs).map(([name, ms]) => [name, Math.round(ms)])),
  ...(smallMs.length > 0 && { smallMs: smallMs.map(tenths) }),
});

const round = ({ alone, aria2, mptcp, pooled, ownSmallMs }: Round) => ({
  alone: alone.map(transfer),
  ...(aria2 && { aria2: transfer(aria2) }),
  ...(mptcp && { mptcp: { ...transfer(mptcp), cpuMs: Math.round(mptcp.cpuMs) } }),
  pooled: pooled.map(run),
  ...(ownSmallMs.length > 0 && { ownSmallMs: ownSmallMs.map(tenths) }),
});

/** Times in milliseconds. */
export const keptRounds = (all: readonly Evaluated[]): string =>
  all
    .map(({ result: { scenario, at, commit, machine, rounds } }) => {
      const line = { scenario, at, commit, machine: shownMachine(machine), rounds: rounds.map(round) };
      return `${JSON.stringify(line)}\n`;
    })
    .join('');
