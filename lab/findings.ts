/**
 * Why a bar is missed, as far as it was found out: by `SCENARIO FIGURE`, or by figure for all scenarios. Written by people
 * who looked, and printed beside the figure by report.ts; where nobody looked further than at what was kept of the rounds, it says so.
 * What is not here is printed as not yet explained.
 */

export interface Finding {
  /** For people. */
  readonly cause: string;
  /** Missed by so little that few rounds seldom tell. */
  readonly near?: true;
  /** What it was in the report: a short matrix, which can not hold to the bar, holds to this, so that worse is seen. Missing: it judges nothing. */
  readonly known?: number;
}

/** Lines of 50 and 5 Mbit/s, whichever is the own one. */
const AHEAD_OF_FIXED: Finding = {
  cause:
    'No scheme could be so far ahead: `fixed` reaches 0.8 of the sum of the lines, and 0.74 where the slow one is the own (one of its spans of 1 MiB takes the slow line 1.7 s, in which the fast one brings 10 MB, and a window of 8 MiB holds most of that), so all of the sum would be 20 and 26 % less time',
};

/** Of an origin that doesn't pace what it sends. */
const CUBIC: Finding = {
  cause:
    'Likely, and not followed to its end: cubic as Linux has it sends what it was asked for in bursts as large as its window, which grows to what the kernel of the lender keeps: some 0.9 MB, 140 ms of a line of 50 Mbit/s. How much the kernel keeps can not be set from Node, and asking for 50 ms at a time would be 20 requests a second to every origin',
};

/** Of lines that are lent whole. */
const HEAD_ROOM: Finding = {
  cause:
    'The lines are full from 0.3 s after the beginning to 0.1 s before the end. Missing are the beginning (a neighbour can begin when the own line has the head of the response, two round trips in; its first byte comes two round trips later, and its connection opens over four more: 0.15 s on average, 2.6 % of 5.8 s) and the end, where the lines end one after the other and the last sample is compared: 0.05 s. While a lent line is full a tenth less of it is passed on, so that no queue stands on it: half a percent of rows measured since then (`three-homes`, `equal-3`, `https`). MPTCP, which joins its lines after one round trip, checks nothing and keeps nothing free, is as fast within 1 to 3 %',
  near: true,
};

/** Of lines that lose packets. */
const LOSSES: Finding = {
  cause:
    'The lines are full from 1 s after the beginning to 0.2 s before the end. Connections that lose a packet while they open take four times as long to fill their lines, and those of the neighbours begin later than those of MPTCP; at the end the lines wait for packets that are sent again, each by itself',
  near: true,
};

/** Of files that are smaller than 100 MB, over three lines of 50 Mbit/s. */
const TWICE_OF_LESS: Finding = {
  cause:
    'The running response of the own line goes on until a range has shown that this line can, over what others have brought meanwhile, and the first range brings some of it again: of `equal-3` 0.1 to 0.6 MB came twice so in the first second, and next to nothing afterwards. Of a smaller file that is a larger part; what is taken over from a line that fails comes besides',
};

/** Of 10 MB, over the lines of `three-homes`. */
const TWICE_OF_LITTLE: Finding = {
  known: 0.03,
  cause:
    'At the end the running response of the own line, which has nothing else to do, goes on over what is there towards what a neighbour has still to bring, and so brings 0.2 to 0.9 MB that are there',
};

/** Of scenarios whose lines come to 200 or 300 Mbit/s. */
const TWO_CORES: Finding = {
  cause:
    "All households, the wire, the origin and the client share the two processors of this machine. At 300 Mbit/s these are idle for 6 % of the time, and what is to be read next waits for one: of the 6.2 processor seconds that a download of 100 MB over six lines has, the daemons take 3.8 and the wire 0.7, and the rest is the origin's, the client's and the kernel's. The beginning of so short a download is 5 % of it besides: MPTCP has 0.92 of six lines",
};

export const FINDINGS: Readonly<Record<string, Finding>> = {
  'three-homes efficiency': HEAD_ROOM,
  'three-homes aheadOfMptcp': HEAD_ROOM,
  'https efficiency': HEAD_ROOM,
  'equal-2 efficiency': HEAD_ROOM,
  'equal-2 aheadOfMptcp': HEAD_ROOM,
  'equal-3 efficiency': HEAD_ROOM,
  'equal-3 aheadOfMptcp': HEAD_ROOM,
  'equal-4 efficiency': TWO_CORES,
  'equal-4 aheadOfMptcp': TWO_CORES,
  'loss-1 aheadOfMptcp': HEAD_ROOM,
  'loss-10 aheadOfMptcp': HEAD_ROOM,
  'cubic efficiency': HEAD_ROOM,
  'cubic aheadOfMptcp': HEAD_ROOM,
  'lossy efficiency': LOSSES,
  'lossy aheadOfMptcp': LOSSES,
  'lossy twicePart': {
    cause:
      'Spans that wait for a packet that is sent again are asked of another line when that would bring them sooner, and come twice then',
  },
  'slow-neighbours efficiency': {
    cause:
      'It is the own line alone, which has 0.95 of the sum. At 100 Mbit/s the window of 8 MiB is 0.67 s, and what a neighbour is asked for comes after 0.52 s at the soonest, the first 13 kB of a new connection only: in most rounds nothing more could come before the client would wait for it',
  },
  'delay-gap efficiency': {
    cause:
      'The far line brings next to nothing for 4.5 s, a fifth of the download: two round trips until the first byte, and six more, of 0.52 s each, until its connection has opened. MPTCP, which begins a round trip sooner, is slower: on a way of half a second a pause of BBR costs a second, in which here the own line goes on',
  },
  'falling efficiency': {
    cause:
      'The line of 20 Mbit/s is full 0.6 s after the beginning and that of 5, with a round trip of 240 ms, after 1.6 s: a connection opens over six of them, and a neighbour can begin two after the own line. That is 2.5 % of the download; MPTCP, which begins one round trip sooner, is slower',
  },
  'wget efficiency': HEAD_ROOM,
  'aria2-through-proxy efficiency': HEAD_ROOM,
  'fast efficiency': TWO_CORES,
  'fast aheadOfMptcp': TWO_CORES,
  'equal-6 efficiency': TWO_CORES,
  'equal-6 aheadOfMptcp': TWO_CORES,
  'file-10mb twicePart': TWICE_OF_LITTLE,
  'file-10mb-cold twicePart': TWICE_OF_LITTLE,
  'file-1gb aheadOfMptcp': {
    cause:
      'MPTCP was not measured beside it: over the same lines, with a tenth of the bytes, it is 0.99 (`three-homes`)',
  },
  'file-1mb aheadOfMptcp': {
    cause:
      'Nothing is pooled of so short a file: it comes over the own line alone, in 0.26 s as without linepool. MPTCP, which joins its lines after one round trip, takes 0.22 s',
  },
  'https aheadOfMptcp': HEAD_ROOM,
  'wget aheadOfMptcp': HEAD_ROOM,
  'aria2-through-proxy aheadOfMptcp': HEAD_ROOM,
  'small-pages aheadOfMptcp': HEAD_ROOM,
  'four-at-once twicePart': TWICE_OF_LESS,
  'four-at-once aheadOfMptcp': {
    cause:
      'Of the 0.3 s that it takes longer 0.1 s is what comes twice, 0.05 s the beginning, and the rest the last second: each of the four ends for itself, and while one has nothing left to ask a neighbour for, the line waits for the next request of another',
  },
  'slow-client aheadOfMptcp': {
    cause:
      'It is curl that is slow here, by its own `--limit-rate`, which lets more through the burstier the bytes come: with 40 Mbit/s 30 MB take 6 s, and it took 4.0 to 5.9 s over both',
  },
  'file-10mb-cold aheadOfMptcp': {
    cause:
      'Daemons that have run for a while take 0.91 s instead of 0.98 (`file-10mb`): what is run for the first time takes longer',
  },
  'household-first ownLatencyMoreMs': {
    cause:
      'Of a short run: the 95th of a hundred is here the second latest of some twenty requests, and on a machine that is busy the wire itself is late by more than the bar',
  },
  'ten-to-one aheadOfFixed': AHEAD_OF_FIXED,
  'one-to-ten aheadOfFixed': AHEAD_OF_FIXED,
  'file-10mb efficiency': {
    cause:
      'What is missing is the beginning and the end. A neighbour can begin when the own line has the head, two round trips in; its first byte comes two round trips later, and its connection opens over four more: were no time lost elsewhere, 0.88 would be left. The last 50 ms are the lines ending one after the other',
    known: 0.8,
  },
  'lending-ceiling lentMost': {
    cause:
      'In its first second a transfer brings more than is lent: the kernel takes in up to 0.9 MB before it stops the origin, and its receive buffer can not be bounded from Node. Passing on less meanwhile makes up for it within the next second',
  },
  'household-first-cubic ownLatencyMoreMs': CUBIC,
  'household-first-cubic ownFirstSecond': CUBIC,
  'household-first-cubic ownPart': CUBIC,
  cpuPerGiB: {
    cause:
      "No process could: on lines with packets of 1500 bytes curl alone, which takes the same over MPTCP and does nothing else, costs 8.5 processor seconds for each GiB of https and 5 of http on this machine, and there are four processes here. A tunnel is read some 120 times a second, and each time costs half a millisecond of system calls, TLS and garbage collection in each of them; of the 2.7 s of get for 100 MB half a second is its start, and of the rest as much is the kernel's as its own",
  },
};

/** What is known of why this scenario misses this bar. */
export const findingOf = (scenario: string, figure: string): Finding | undefined =>
  FINDINGS[`${scenario} ${figure}`] ?? FINDINGS[figure];
