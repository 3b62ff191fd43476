/**
 * The share: how fast the line is lent, to all and to each. Pure: policy and measurements in, rates out.
 * Called by the lender whenever one of them changes. It must never give more than policy allows, nor guess a line's rate.
 */
import type { BytesPerSecond } from '../core/units.ts';

export interface LendPolicy {
  readonly enabled: boolean;
  /** How much of the line is lent at most, 0 to 100. */
  readonly sharePercent: number;
  /** Ceiling of what is lent. */
  readonly rate: BytesPerSecond | undefined;
}

export interface LineMeasured {
  /** What the line carries down; undefined while it is not known. */
  readonly lineRate: BytesPerSecond | undefined;
}

/** Why what is lent is what it is; status shows it. */
export type ShareReason =
  /** As much as policy allows. */
  | 'lending'
  /** Policy says that nothing is lent. */
  | 'off'
  /** Neither the line's rate nor a ceiling is known: set line.down or lend.rate. */
  | 'line_unknown';

export interface Share {
  /** For all borrowers together. */
  readonly total: BytesPerSecond;
  readonly reason: ShareReason;
  /** What one borrower may have while others leave it room. */
  readonly ceiling: BytesPerSecond;
  /** What each active borrower can count on: its fair part. */
  readonly fair: BytesPerSecond;
  /** What one that is not active would get if it began now. */
  readonly ifBegun: BytesPerSecond;
}

/** The rates for that many active borrowers. */
export function shareOf(policy: LendPolicy, measured: LineMeasured, activeBorrowers: number): Share {
  const { total, reason } = totalOf(policy, measured);
  return {
    total,
    reason,
    ceiling: total,
    fair: total / Math.max(1, activeBorrowers),
    ifBegun: total / (activeBorrowers + 1),
  };
}

function totalOf(
  policy: LendPolicy,
  { lineRate }: LineMeasured,
): { readonly total: BytesPerSecond; readonly reason: ShareReason } {
  const fraction = Math.min(Math.max(policy.sharePercent, 0), 100) / 100;
  if (!policy.enabled || fraction === 0 || policy.rate === 0) return { total: 0, reason: 'off' };
  if (lineRate === undefined && policy.rate === undefined) return { total: 0, reason: 'line_unknown' };
  const ofLine = lineRate === undefined ? Number.POSITIVE_INFINITY : lineRate * fraction;
  const total = Math.min(ofLine, policy.rate ?? Number.POSITIVE_INFINITY);
  return { total, reason: total > 0 ? 'lending' : 'line_unknown' };
}
