/**
 * A lending scenario: one household lends its line, others borrow all the while, and the lender's own people come and go.
 * The declarative form, checked when it is read; scenarios.ts holds the list, run.ts runs one. Pure.
 */
import { z } from 'zod';
import type { BytesPerSecond } from '../../src/core/units.ts';
import { Line, rate, Scenario, size, time } from '../scenario.ts';

/** A household that borrows; it pools over its own line and the lender's. */
const Borrower = z.strictObject({
  line: Line,
  /** At once, each of its own. */
  downloads: z.int().min(1).max(8).default(1),
  /** How its client downloads: through the proxy, or by `linepool get` over https. */
  via: z.enum(['proxy', 'get-https']).default('proxy'),
  /** Among those who borrow, as the lender's people set it. */
  weight: z.number().positive().optional(),
});

/** Figures that can be held to a bar; what they mean is in figures.ts. */
export const LENDING_FIGURES = [
  'ownPart',
  'ownFirstSecond',
  'yieldMs',
  'backMs',
  'ownLatencyMoreMs',
  'lentPart',
  'lentMost',
  'jain',
  'weightError',
] as const;
export type LendingFigureName = (typeof LENDING_FIGURES)[number];

const figure = z.enum(LENDING_FIGURES);
const Bar = z.union([
  z.strictObject({ figure, atLeast: z.number() }),
  z.strictObject({ figure, atMost: z.number() }),
]);
export type LendingBar = z.output<typeof Bar>;

export const LendingScenario = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]+$/),
  says: z.string(),
  lender: Line,
  /** True: the line's own queue is a fair one, where the kernel has one; elsewhere the scenario is left out. */
  fairQueue: z.boolean().default(false),
  borrowers: z.array(Borrower).min(1).max(5),
  /** The lender's policy: a ceiling. Missing: the whole line. */
  ceiling: rate.optional(),
  /** Settings of the lender, as `linepool lend set KEY VALUE` has them. */
  lend: z.record(z.string(), z.string()).default({}),
  /** Of the borrowers' files: more than they can download in a round. */
  bytes: size.default(400_000_000),
  /** Of the origin. */
  congestion: z.enum(['bbr', 'cubic']).default('bbr'),
  /** True: households ask how late their lines answer, as they do by default. */
  probed: z.boolean().default(false),
  /** In each round, how often the lender's people download, for how long at the line's rate, and how long they rest. */
  own: z.strictObject({ times: z.int().min(0), lasts: time, rests: time }),
  /** How long nobody but the borrowers wants the line, in each round. */
  idle: time.default(4_000),
  bars: z.array(Bar),
  /** True: its last round is drawn. */
  picture: z.boolean().default(false),
});
export type LendingScenario = z.output<typeof LendingScenario>;
export type LendingText = z.input<typeof LendingScenario>;

/** The neighbourhood of it: the lender is household 1, and everybody's neighbour. */
export function neighbourhoodOf(scenario: LendingScenario): Scenario {
  const { name, says, lender, borrowers, bytes, congestion, probed } = scenario;
  const line = { down: '1 Mbit/s', delay: '1 ms' };
  const plain = Scenario.parse({ name, says, lines: [line], bytes: '1 MB', beside: [], bars: [] });
  return {
    ...plain,
    lines: [lender, ...borrowers.map((borrower) => borrower.line)],
    bytes,
    congestion,
    probed,
  };
}

/** What the lender's policy lends at most, on the wire. */
export const ceilingOf = ({ ceiling, lender }: LendingScenario): BytesPerSecond =>
  Math.min(ceiling ?? Number.POSITIVE_INFINITY, lender.down);
