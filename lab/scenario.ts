/**
 * A scenario: a neighbourhood, what happens in it, what is measured, and the bars that the figures are held to. The
 * declarative form, checked when it is read; scenarios.ts holds the list, run.ts runs one. Pure.
 */
import { z } from 'zod';
import { type Bytes, type Milliseconds, parseBytes, parseDuration, parseRate } from '../src/core/units.ts';

const quantity = (read: (text: string) => number | undefined, example: string) =>
  z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `must be such as ${example}` });
    return z.NEVER;
  });
export const rate = quantity(parseRate, '"50 Mbit/s"');
export const time = quantity(parseDuration, '"10 ms"');
export const size = quantity(parseBytes, '"100 MB"');

/** One household's line to the origin. */
export const Line = z.strictObject({
  down: rate,
  up: rate.default(parseRate('10 Mbit/s') ?? 0),
  /** One way. */
  delay: time,
  jitter: time.default(0),
  /** 0 to 1, each way. */
  loss: z.number().min(0).max(0.5).default(0),
  /** Of a queue that drops its tail, each way. Default: a tenth of a second of the rate, and no less than 20 packets. */
  queue: size.optional(),
  /** Rate of each next stretch of time, from the start of every measurement on; the last is followed by the first. */
  trace: z.strictObject({ every: time, down: z.array(rate).min(2) }).optional(),
  /** `ignores-ranges`: what answers at the end of this line sends the whole file whatever was asked for. */
  origin: z.enum(['honest', 'ignores-ranges']).default('honest'),
});

/** Counted from the start of each pooled download. Households are numbered from 1, the borrower. */
const Fault = z.discriminatedUnion('kind', [
  /** Its daemon dies without a word. */
  z.strictObject({ kind: z.literal('vanish'), household: z.int().min(2), at: time }),
  /** Nothing comes over its line any more. */
  z.strictObject({ kind: z.literal('stall'), household: z.int().min(2), at: time }),
  /** Its line has another rate from now on. */
  z.strictObject({ kind: z.literal('slow'), household: z.int().min(2), at: time, down: rate }),
  /** Its daemon does not run before. */
  z.strictObject({ kind: z.literal('join'), household: z.int().min(2), at: time }),
]);

export const SCHEMES = ['adaptive', 'fixed', 'proportional', 'round-robin'] as const;
export type PoolScheme = (typeof SCHEMES)[number];

/** Figures that can be held to a bar; what they mean is in figures.ts. */
export const FIGURES = [
  'efficiency',
  'ofOwn',
  'aheadOfMptcp',
  'aheadOfFixed',
  'windowMiB',
  'lastPartRate',
  'twicePart',
  'longestGapMs',
  'smallLatency',
  'cpuPerGiB',
] as const;
export type FigureName = (typeof FIGURES)[number];

/** `every`: the worst round is held to it. `typical`: the middle one, however few there are. Default: the middle one, and of a few rounds one at least. */
const rounds = z.enum(['every', 'typical']).optional();
const Bar = z.union([
  z.strictObject({ figure: z.enum(FIGURES), atLeast: z.number(), rounds }),
  z.strictObject({ figure: z.enum(FIGURES), atMost: z.number(), rounds }),
]);
export type Bar = z.output<typeof Bar>;

export const Scenario = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]+$/),
  says: z.string(),
  lines: z.array(Line).min(1).max(8),
  /** Of the medium that the routers share. Default: faster than all lines. */
  radio: rate.optional(),
  bytes: size,
  /** Of the origin. */
  congestion: z.enum(['bbr', 'cubic']).default('bbr'),
  /** True: households ask how late their lines answer, as they do by default, and somebody at the origin's address tells them. */
  probed: z.boolean().default(false),
  /** How the borrower's client downloads: through the proxy, or by `linepool get` over https. */
  via: z.enum(['proxy', 'get-https']).default('proxy'),
  /** The client of the proxy, each with one connection: aria2 as it comes, which splits only when it is told to. */
  client: z.enum(['curl', 'wget', 'aria2']).default('curl'),
  /** How many at once, each of its own file. */
  downloads: z.int().min(1).max(8).default(1),
  /** What the client takes at most. */
  clientRate: rate.optional(),
  /** True: small pages are asked for all the while. */
  smallPages: z.boolean().default(false),
  faults: z.array(Fault).default([]),
  /** True: what is measured is the first download of daemons that have just started. */
  cold: z.boolean().default(false),
  schemes: z.array(z.enum(SCHEMES)).min(1).default(['adaptive']),
  /** Beside linepool: the own line with aria2, and kernel MPTCP over all lines. */
  beside: z.array(z.enum(['aria2', 'mptcp'])).default(['aria2', 'mptcp']),
  /** True: the spans of one more download are looked at, to be drawn. */
  spanMap: z.boolean().default(false),
  bars: z.array(Bar),
  /** Part of the matrix, and of the report. */
  matrix: z.boolean().default(true),
  /** How it is measured in the short matrix; missing: not at all. */
  quick: z
    .strictObject({
      bytes: size.optional(),
      schemes: z.array(z.enum(SCHEMES)).default(['adaptive']),
      beside: z.array(z.enum(['aria2', 'mptcp'])).default([]),
    })
    .optional(),
});
export type Scenario = z.output<typeof Scenario>;
export type ScenarioText = z.input<typeof Scenario>;
export type Line = z.output<typeof Line>;
export type Fault = Scenario['faults'][number];

/** Time of the rate that a line's queue holds when the scenario says nothing. */
const QUEUE_MS = 100;
const QUEUE_LEAST = 30_000;

export const queueOf = (line: Line): number =>
  line.queue ?? Math.max(QUEUE_LEAST, (line.down * QUEUE_MS) / 1000);

/** What the line carries on average. */
export const meanRate = (line: Line): number =>
  line.trace === undefined
    ? line.down
    : line.trace.down.reduce((sum, down) => sum + down, 0) / line.trace.down.length;

/** How long a line is measured alone, if the file is long enough and its round trips are not too long. */
export const ALONE_MS: Milliseconds = 8_000;
/**
 * And so many round trips at least. A line is not full for the first 5 to 15 of them: of the 16 that 8 s are with 260 ms one way
 * that would be most, and a pooled download, which goes on for longer, would be held to too little.
 */
const ALONE_ROUND_TRIPS = 75;

/** What of a file a line is measured alone with: what it carries in `forMs` or in that many round trips; at most all. */
export function aloneBytes(line: Line, whole: Bytes, forMs: Milliseconds): Bytes {
  const ms = Math.max(forMs, ALONE_ROUND_TRIPS * 2 * line.delay);
  return Math.min(whole, Math.round((meanRate(line) * ms) / 1000));
}

/** The scenario as the short matrix has it, with those bars that can be judged then; nothing for pictures. */
export function quickened({ quick, ...scenario }: Scenario): Scenario | undefined {
  if (quick === undefined) return undefined;
  const { bytes = scenario.bytes, schemes, beside } = quick;
  const bars = scenario.bars.filter(
    ({ figure }) =>
      !(figure === 'aheadOfFixed' && !schemes.includes('fixed')) &&
      !(figure === 'aheadOfMptcp' && !beside.includes('mptcp')),
  );
  return { ...scenario, bytes, schemes, beside, bars, spanMap: false };
}
