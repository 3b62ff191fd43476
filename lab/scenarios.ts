/**
 * The scenarios, with the bars that their figures are held to. Pure.
 */
import { type Bar, SCHEMES, Scenario, type ScenarioText } from './scenario.ts';

type LineText = ScenarioText['lines'][number];

/** `line('50', '10')`: 50 Mbit/s at 10 ms one way. */
const line = (mbit: number, delayMs: number, more: Partial<LineText> = {}): LineText => ({
  down: `${mbit} Mbit/s`,
  delay: `${delayMs} ms`,
  ...more,
});
const equal = (count: number, mbit: number, delayMs: number, more: Partial<LineText> = {}): LineText[] =>
  Array.from({ length: count }, () => line(mbit, delayMs, more));

/** What comes twice over the lines is bought for nothing, whatever else a scenario is about. */
const ONCE: Bar = { figure: 'twicePart', atMost: 0.01 };
/** All finish together: nobody waits at the end for one that is slow. */
const TO_THE_END: Bar = { figure: 'lastPartRate', atLeast: 0.8 };
const AHEAD: Bar = { figure: 'aheadOfMptcp', atLeast: 1 };
const FULL: Bar[] = [
  { figure: 'efficiency', atLeast: 0.97 },
  { figure: 'windowMiB', atMost: 8 },
  AHEAD,
  TO_THE_END,
  ONCE,
];
const UNEQUAL: Bar[] = [
  { figure: 'efficiency', atLeast: 0.9 },
  { figure: 'windowMiB', atMost: 8 },
  AHEAD,
  TO_THE_END,
  ONCE,
];
/** Whatever the neighbours do. */
const HARMLESS: Bar[] = [
  { figure: 'ofOwn', atLeast: 0.98, rounds: 'every' },
  { figure: 'longestGapMs', atMost: 1000 },
  ONCE,
];
const ALL_SCHEMES: ScenarioText['schemes'] = [...SCHEMES];

/** Mbit/s of each second, as a phone in a moving bus has them. */
const LTE_A = [24, 31, 12, 8, 17, 38, 42, 20, 6, 11, 29, 35];
const LTE_B = [15, 9, 22, 40, 33, 14, 5, 18, 27, 44, 30, 12];
const trace = (mbit: readonly number[]): LineText['trace'] => ({
  every: '1 s',
  down: mbit.map((value) => `${value} Mbit/s`),
});

const TEXTS: readonly ScenarioText[] = [
  {
    name: 'three-homes',
    says: '50, 50 and 20 Mbit/s at 10, 10 and 25 ms',
    lines: [line(50, 10), line(50, 10), line(20, 25)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: FULL,
    quick: { beside: ['mptcp'] },
    spanMap: true,
  },
  {
    name: 'falling',
    says: '50, 20 and 5 Mbit/s at 10, 40 and 120 ms',
    lines: [line(50, 10), line(20, 40), line(5, 120)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: FULL,
    spanMap: true,
  },
  {
    name: 'fast',
    says: 'three lines of 100 Mbit/s at 5 ms',
    lines: equal(3, 100, 5),
    bytes: '100 MB',
    bars: FULL,
  },
  {
    name: 'lossy',
    says: 'three lines of 50 Mbit/s at 20 ms that lose 0.5 %',
    lines: equal(3, 50, 20, { loss: 0.005 }),
    bytes: '100 MB',
    bars: FULL,
  },
  {
    name: 'slow-neighbours',
    says: '100 Mbit/s at 10 ms and two neighbours of 3 Mbit/s at 250 ms: 33:1, half a second',
    lines: [line(100, 10), line(3, 250), line(3, 250)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: FULL,
  },
  ...[2, 3, 4, 6].map(
    (count): ScenarioText => ({
      name: `equal-${count}`,
      says: `${count} lines of 50 Mbit/s at 10 ms`,
      lines: equal(count, 50, 10),
      bytes: '100 MB',
      bars: FULL,
    }),
  ),
  {
    name: 'ten-to-one',
    says: '50 and 5 Mbit/s at 10 ms',
    lines: [line(50, 10), line(5, 10)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: [...UNEQUAL, { figure: 'aheadOfFixed', atLeast: 0.47 }],
    quick: { bytes: '25 MB' },
  },
  {
    name: 'one-to-ten',
    says: 'the own line 5 Mbit/s, the neighbour 50, at 10 ms',
    lines: [line(5, 10), line(50, 10)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: [...UNEQUAL, { figure: 'aheadOfFixed', atLeast: 0.47 }],
  },
  {
    name: 'thirty-three-to-one',
    says: '100 and 3 Mbit/s at 10 ms',
    lines: [line(100, 10), line(3, 10)],
    bytes: '100 MB',
    schemes: ALL_SCHEMES,
    bars: UNEQUAL,
  },
  {
    name: 'delay-gap',
    says: '20 Mbit/s at 10 ms and at 260 ms: half a second apart',
    lines: [line(20, 10), line(20, 260)],
    bytes: '100 MB',
    bars: UNEQUAL,
  },
  ...[0.001, 0.01].map(
    (loss): ScenarioText => ({
      name: `loss-${loss * 1000}`,
      says: `three lines of 50 Mbit/s at 10 ms that lose ${loss * 100} %`,
      lines: equal(3, 50, 10, { loss }),
      bytes: '100 MB',
      bars: UNEQUAL,
    }),
  ),
  {
    name: 'cubic',
    says: 'three lines of 50 Mbit/s at 10 ms, with cubic',
    lines: equal(3, 50, 10),
    bytes: '100 MB',
    congestion: 'cubic',
    bars: FULL,
  },
  {
    name: 'lte',
    says: 'the own line 20 Mbit/s, two neighbours whose rate changes every second',
    lines: [line(20, 10), line(50, 35, { trace: trace(LTE_A) }), line(50, 35, { trace: trace(LTE_B) })],
    bytes: '60 MB',
    bars: [
      { figure: 'efficiency', atLeast: 0.93 },
      { figure: 'windowMiB', atMost: 8 },
      AHEAD,
      TO_THE_END,
      ONCE,
    ],
  },
  {
    name: 'radio',
    says: 'three lines of 50 Mbit/s at 10 ms, and a radio of 60 Mbit/s that all routers share',
    lines: equal(3, 50, 10),
    radio: '60 Mbit/s',
    bytes: '100 MB',
    // What has an address on every line has no radio between.
    beside: ['aria2'],
    bars: [{ figure: 'ofOwn', atLeast: 1.5 }, TO_THE_END, ONCE],
  },
  {
    name: 'vanish',
    says: 'a neighbour of 50 Mbit/s dies two seconds into the download',
    lines: equal(3, 50, 10),
    bytes: '60 MB',
    faults: [{ kind: 'vanish', household: 2, at: '2 s' }],
    beside: [],
    bars: HARMLESS,
    quick: {},
  },
  {
    name: 'stall',
    says: "a neighbour's line stalls two seconds into the download",
    lines: equal(3, 50, 10),
    bytes: '60 MB',
    faults: [{ kind: 'stall', household: 2, at: '2 s' }],
    beside: [],
    bars: HARMLESS,
    quick: {},
  },
  {
    name: 'alone-with-stall',
    says: 'the only neighbour stalls after half a second',
    lines: equal(2, 50, 10),
    bytes: '40 MB',
    faults: [{ kind: 'stall', household: 2, at: '500 ms' }],
    beside: [],
    bars: HARMLESS,
  },
  {
    name: 'trickle',
    says: "the only neighbour's line falls to 3 % after half a second",
    lines: equal(2, 50, 10),
    bytes: '40 MB',
    faults: [{ kind: 'slow', household: 2, at: '500 ms', down: '1.5 Mbit/s' }],
    beside: [],
    bars: HARMLESS,
  },
  {
    name: 'lie',
    says: 'what answers at the end of the only neighbour’s line ignores ranges',
    lines: [line(50, 10), line(50, 10, { origin: 'ignores-ranges' })],
    bytes: '40 MB',
    beside: [],
    bars: HARMLESS,
  },
  {
    name: 'drop',
    says: "a neighbour's line drops to a tenth two seconds into the download",
    lines: equal(3, 50, 10),
    bytes: '60 MB',
    faults: [{ kind: 'slow', household: 2, at: '2 s', down: '5 Mbit/s' }],
    beside: [],
    bars: HARMLESS,
  },
  {
    name: 'join',
    says: 'a neighbour comes two seconds into the download',
    lines: equal(3, 50, 10),
    bytes: '80 MB',
    faults: [{ kind: 'join', household: 3, at: '2 s' }],
    beside: [],
    bars: HARMLESS,
  },
  {
    name: 'four-at-once',
    says: 'four downloads of 25 MB at once over three lines of 50 Mbit/s',
    lines: equal(3, 50, 10),
    bytes: '25 MB',
    downloads: 4,
    bars: [{ figure: 'efficiency', atLeast: 0.9 }, { figure: 'windowMiB', atMost: 16 }, AHEAD, ONCE],
  },
  {
    name: 'small-pages',
    says: 'pages of 20 kB while a download runs over three lines of 50 Mbit/s',
    lines: equal(3, 50, 10),
    bytes: '60 MB',
    smallPages: true,
    bars: [{ figure: 'smallLatency', atMost: 1.2 }, AHEAD, TO_THE_END, ONCE],
    quick: { bytes: '30 MB' },
  },
  {
    name: 'slow-client',
    says: 'a client that takes 40 Mbit/s at most, over three lines of 50 Mbit/s',
    lines: equal(3, 50, 10),
    bytes: '30 MB',
    clientRate: '40 Mbit/s',
    bars: [{ figure: 'windowMiB', atMost: 8 }, AHEAD, ONCE],
  },
  ...(['1 MB', '10 MB', '1 GB'] as const).map(
    (bytes): ScenarioText => ({
      name: `file-${bytes.replace(' ', '').toLowerCase()}`,
      says: `${bytes} over 50, 50 and 20 Mbit/s at 10, 10 and 25 ms`,
      lines: [line(50, 10), line(50, 10), line(20, 25)],
      bytes,
      bars: [
        ...(bytes === '1 MB'
          ? []
          : [{ figure: 'efficiency' as const, atLeast: bytes === '10 MB' ? 0.85 : 0.97 }]),
        { figure: 'ofOwn', atLeast: 0.98 },
        AHEAD,
        TO_THE_END,
        ONCE,
      ],
      ...(bytes === '10 MB' && { quick: {} }),
    }),
  ),
  {
    name: 'file-10mb-cold',
    says: '10 MB over 50, 50 and 20 Mbit/s at 10, 10 and 25 ms, by daemons that have just started',
    lines: [line(50, 10), line(50, 10), line(20, 25)],
    bytes: '10 MB',
    cold: true,
    bars: [{ figure: 'ofOwn', atLeast: 0.98 }, AHEAD, TO_THE_END, ONCE],
  },
  {
    name: 'https',
    says: '100 MB over https by `linepool get`, over 50, 50 and 20 Mbit/s at 10, 10 and 25 ms',
    lines: [line(50, 10), line(50, 10), line(20, 25)],
    bytes: '100 MB',
    via: 'get-https',
    bars: [...FULL, { figure: 'cpuPerGiB', atMost: 1.2 }],
    quick: {},
  },
  ...(['wget', 'aria2'] as const).map(
    (client): ScenarioText => ({
      name: client === 'wget' ? 'wget' : 'aria2-through-proxy',
      says: `100 MB by ${client} through the proxy, over 50, 50 and 20 Mbit/s at 10, 10 and 25 ms`,
      lines: [line(50, 10), line(50, 10), line(20, 25)],
      bytes: '100 MB',
      client,
      bars: [
        { figure: 'efficiency', atLeast: 0.97 },
        { figure: 'windowMiB', atMost: 8 },
        AHEAD,
        ...(client === 'wget' ? [TO_THE_END] : []),
        ONCE,
      ],
    }),
  ),
  {
    name: 'tiny',
    says: '2 MB over two lines of 20 Mbit/s at 5 ms: whether the lab works at all',
    lines: equal(2, 20, 5),
    bytes: '2 MB',
    beside: [],
    bars: [{ figure: 'ofOwn', atLeast: 0.5 }],
    matrix: false,
  },
];

export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(
  TEXTS.map((text) => {
    const scenario = Scenario.parse(text);
    return [scenario.name, scenario];
  }),
);

export const MATRIX: readonly Scenario[] = [...SCENARIOS.values()].filter(({ matrix }) => matrix);
