/**
 * Why a bar is missed, as far as it was found out: by `SCENARIO FIGURE`, or by figure for all scenarios. Written by people
 * who looked, and printed beside the figure by report.ts. What is not here is printed as not yet explained.
 */

export const FINDINGS: Readonly<Record<string, string>> = {
  cpuPerGiB:
    'On lines with packets of 1500 bytes every packet becomes a read, a TLS record and a write of its own at the lender and at the borrower; on loopback pieces are of 64 KiB',
};
