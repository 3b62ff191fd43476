/**
 * Why a bar is missed, as far as it was found out: by `SCENARIO FIGURE`, or by figure for all scenarios. Written by people
 * who looked, and printed beside the figure by report.ts. What is not here is printed as not yet explained.
 */

/** Lines of 50 and 5 Mbit/s, whichever is the own one. */
const AHEAD_OF_FIXED =
  'No scheme could be so far ahead: `fixed` reaches 0.8 of the sum of the lines (one of its spans of 1 MiB takes the slow line 1.7 s, in which the fast one brings 10 MB, and a window of 8 MiB holds most of that), so all of the sum would be 20 % less time';

const FINDINGS: Readonly<Record<string, string>> = {
  'ten-to-one aheadOfFixed': AHEAD_OF_FIXED,
  'one-to-ten aheadOfFixed': AHEAD_OF_FIXED,
  cpuPerGiB:
    'On lines with packets of 1500 bytes every packet becomes a read, a TLS record and a write of its own at the lender and at the borrower; on loopback pieces are of 64 KiB',
};

/** What is known of why this scenario misses this bar. */
export const findingOf = (scenario: string, figure: string): string | undefined =>
  FINDINGS[`${scenario} ${figure}`] ?? FINDINGS[figure];
