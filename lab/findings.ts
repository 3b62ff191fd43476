/**
 * Why a bar is missed, as far as it was found out: by `SCENARIO FIGURE`, or by figure for all scenarios. Written by people
 * who looked, and printed beside the figure by report.ts. What is not here is printed as not yet explained.
 */

/** Lines of 50 and 5 Mbit/s, whichever is the own one. */
const AHEAD_OF_FIXED =
  'No scheme could be so far ahead: `fixed` reaches 0.8 of the sum of the lines (one of its spans of 1 MiB takes the slow line 1.7 s, in which the fast one brings 10 MB, and a window of 8 MiB holds most of that), so all of the sum would be 20 % less time';

/** Of an origin that doesn't pace what it sends. */
const CUBIC =
  'Likely, and not followed to its end: cubic as Linux has it sends what it was asked for in bursts as large as its window, which grows to what the kernel of the lender keeps: some 0.9 MB, 140 ms of a line of 50 Mbit/s. How much the kernel keeps can not be set from Node, and asking for 50 ms at a time would be 20 requests a second to every origin';

/** Of lines that are lent whole. */
const HEAD_ROOM =
  'A lender keeps 1 % of its line free and counts headers, each span has a sample fetched over the own line, and every 2 MiB are signed for: three homes brought 112.1 Mbit/s without these and bring 110.6 with them, on the same machine. MPTCP, which signs and checks nothing and keeps nothing free, is as fast within 1 to 2 %';

/** Of scenarios whose lines come to 300 Mbit/s. */
const TWO_CORES =
  'All households, the wire, the origin and the client share the two processors of this machine, and at 300 Mbit/s they are busy all the time: what six daemons do for 100 MB is 6 processor seconds, in which the lines could bring 200 MB. Receipts, samples and looking at the line forty times a second are half of it: a build without them came to 0.92 of six lines. The first 8 % of so short a download are its start: MPTCP has 0.93 of six lines';

/** Of a lender whose line is lent as a whole. */
const QUEUE =
  'Likely, and not followed to its end: each connection to the origin that begins sends for some round trips faster than the line, as BBR does to find out what it carries, and fills half of the queue; keeping 2.5 % of the line free instead of 1 % made no difference. Small requests are late without lending, too, when a packet waits behind them';

const FINDINGS: Readonly<Record<string, string>> = {
  'three-homes efficiency': HEAD_ROOM,
  'three-homes aheadOfMptcp': HEAD_ROOM,
  'https efficiency': HEAD_ROOM,
  'equal-2 efficiency': HEAD_ROOM,
  'equal-2 aheadOfMptcp': HEAD_ROOM,
  'equal-3 efficiency': HEAD_ROOM,
  'equal-3 aheadOfMptcp': HEAD_ROOM,
  'fast efficiency': TWO_CORES,
  'fast aheadOfMptcp': TWO_CORES,
  'equal-6 efficiency': TWO_CORES,
  'equal-6 aheadOfMptcp': TWO_CORES,
  'equal-6 twicePart': TWO_CORES,
  'household-first ownLatencyMoreMs': QUEUE,
  'household-first ownFirstSecond':
    'The first round trips of a download meet what is in flight for borrowers: the line is free some 160 ms after its first data (yieldMs), and what it loses until then is missing in the first second',
  'ten-to-one aheadOfFixed': AHEAD_OF_FIXED,
  'one-to-ten aheadOfFixed': AHEAD_OF_FIXED,
  'file-10mb efficiency':
    'What is missing is the beginning and the end. A neighbour can begin when the own line has the head, two round trips in; its first byte comes two round trips later, and its connection opens over four more: were no time lost elsewhere, 0.88 would be left. The last 50 ms are the lines ending one after the other',
  'lending-ceiling lentMost':
    'In its first second a transfer brings more than is lent: the kernel takes in up to 0.9 MB before it stops the origin, and its receive buffer can not be bounded from Node. Passing on less meanwhile makes up for it within the next second',
  'household-first-cubic ownLatencyMoreMs': CUBIC,
  'household-first-cubic ownFirstSecond': CUBIC,
  'household-first-cubic ownPart': CUBIC,
  cpuPerGiB:
    'On lines with packets of 1500 bytes a tunnel is read some 120 times a second, and each time costs half a millisecond of system calls, TLS and garbage collection in each of four processes; a download of 100 MB also pays for the start of get and for code that has not been run before',
};

/** Why bars are missed by no more than noise. */
const NEAR: ReadonlySet<string> = new Set([HEAD_ROOM]);

/** True for a bar that is missed by far, for a known cause: a short matrix that held to it would fail every time. */
export function isFarMissed(scenario: string, figure: string): boolean {
  const finding = findingOf(scenario, figure);
  return finding !== undefined && !NEAR.has(finding);
}

/** What is known of why this scenario misses this bar. */
export const findingOf = (scenario: string, figure: string): string | undefined =>
  FINDINGS[`${scenario} ${figure}`] ?? FINDINGS[figure];
