/**
 * The lending scenarios, with the bars that their figures are held to. Pure.
 */
import { type LendingBar, LendingScenario, type LendingText } from './scenario.ts';

/** The household's own people don't notice that their line is lent. */
const HOUSEHOLD_FIRST: LendingBar[] = [
  { figure: 'ownPart', atLeast: 0.95 },
  { figure: 'ownFirstSecond', atLeast: 0.95 },
  { figure: 'ownLatencyMoreMs', atMost: 30 },
  { figure: 'yieldMs', atMost: 300 },
  { figure: 'backMs', atMost: 3_000 },
  { figure: 'lentPart', atLeast: 0.95 },
  { figure: 'lentMost', atMost: 1.05 },
];
const CEILING: LendingBar[] = [
  { figure: 'lentPart', atLeast: 0.95 },
  { figure: 'lentMost', atMost: 1.05 },
];

const LENDER: LendingText['lender'] = { down: '50 Mbit/s', delay: '10 ms' };
/** Slow, so that what is lent is what it is about. */
const BORROWER: LendingText['borrowers'][number] = { line: { down: '10 Mbit/s', delay: '10 ms' } };
const borrowers = (count: number): LendingText['borrowers'] =>
  Array.from({ length: count }, () => structuredClone(BORROWER));

const householdFirst = (name: string, says: string, more: Partial<LendingText> = {}): LendingText => ({
  name,
  says: `a line of 50 Mbit/s at 10 ms is lent, and its own people download now and then; ${says}`,
  lender: LENDER,
  borrowers: [BORROWER],
  own: { times: 3, lasts: '3 s', rests: '5 s' },
  bars: HOUSEHOLD_FIRST,
  ...more,
});
/** Nobody at home, for some seconds. */
const AWAY = { own: { times: 0, lasts: '0 s', rests: '0 s' }, idle: '8 s' } as const;

const TEXTS: readonly LendingText[] = [
  householdFirst('household-first', 'its queue holds 100 ms and drops its tail', { picture: true }),
  householdFirst('household-first-20ms', 'its queue holds 20 ms and drops its tail', {
    lender: { ...LENDER, queue: '125 kB' },
  }),
  householdFirst('household-first-300ms', 'its queue holds 300 ms and drops its tail', {
    lender: { ...LENDER, queue: '1875 kB' },
  }),
  householdFirst('household-first-fq', 'its queue is a fair one', { fairQueue: true }),
  householdFirst('household-first-cubic', 'its queue holds 100 ms, and the origin sends with cubic', {
    congestion: 'cubic',
  }),
  householdFirst('household-first-probed', 'households ask how late their lines answer, as by default', {
    probed: true,
  }),
  householdFirst('household-first-https', 'the borrower downloads over https, through a tunnel', {
    borrowers: [{ ...BORROWER, via: 'get-https' }],
  }),
  {
    name: 'lending-ceiling',
    says: 'a ceiling of 30 Mbit/s on a line of 50',
    lender: LENDER,
    borrowers: borrowers(1),
    ceiling: '30 Mbit/s',
    ...AWAY,
    bars: CEILING,
  },
  ...[2, 3, 5].map(
    (count): LendingText => ({
      name: `lending-fair-${count}`,
      says: `${count} equal borrowers of a line of 50 Mbit/s`,
      lender: LENDER,
      borrowers: borrowers(count),
      ...AWAY,
      bars: [{ figure: 'jain', atLeast: 0.98 }, ...CEILING],
    }),
  ),
  {
    name: 'lending-weights',
    says: 'three borrowers that weigh 1, 2 and 4',
    lender: LENDER,
    borrowers: [1, 2, 4].map((weight) => ({ ...BORROWER, weight })),
    // What was lent either way is no matter here.
    lend: { weight_min: '1', weight_max: '1' },
    ...AWAY,
    bars: [{ figure: 'weightError', atMost: 0.1 }, ...CEILING],
  },
  {
    name: 'lending-eight-against-one',
    says: 'one borrower with eight downloads and one with one',
    lender: LENDER,
    borrowers: [{ ...BORROWER, downloads: 8 }, BORROWER],
    ...AWAY,
    bars: [{ figure: 'weightError', atMost: 0.1 }, ...CEILING],
  },
];

export const LENDING_SCENARIOS: ReadonlyMap<string, LendingScenario> = new Map(
  TEXTS.map((text) => {
    const scenario = LendingScenario.parse(text);
    return [scenario.name, scenario];
  }),
);
