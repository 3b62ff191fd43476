/**
 * What a lender says of itself: how much is lent now, why, and to whom. Made by the lender, shown by control. Types only.
 */
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import type { CutOff } from './cut-offs.ts';
import type { Directions } from './policy.ts';
import type { ShareReason } from './share.ts';

export interface BorrowerStatus {
  readonly id: string;
  readonly name: string;
  /** Over the last second. */
  readonly rate: Directions<BytesPerSecond>;
  /** Since the daemon started, both directions. */
  readonly bytesCarried: Bytes;
  /** Of these, what it has signed for. */
  readonly bytesSigned: Bytes;
  readonly connections: number;
  readonly active: boolean;
  /** It ignored what it was offered; undefined when it is not cut off. */
  readonly cutOff: CutOff | undefined;
  /** What the link to it carries, with a little room; Infinity when that is not what bounds it. */
  readonly overLink: BytesPerSecond;
}

export interface LenderStatus {
  /** Lent to all together at most, now. */
  readonly rate: Directions<BytesPerSecond>;
  readonly reason: ShareReason;
  readonly bytesCarried: Bytes;
  /** The same, each direction by itself. */
  readonly carried: Directions<Bytes>;
  readonly borrowers: readonly BorrowerStatus[];
}
