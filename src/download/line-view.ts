/**
 * How a download looks from outside: what each of its lines brought, brings now, and was asked for. Pure.
 * The desk and the progress of `get` show it.
 */
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';
import { type PlanState, rateOf } from './plan-state.ts';

export interface LineView {
  readonly id: PathId;
  readonly name: string;
  readonly bytes: Bytes;
  /** 0 while it is asked nothing. */
  readonly bytesPerSecond: BytesPerSecond;
  readonly state: 'connecting' | 'fetching' | 'idle' | 'out';
  /** Half-open spans, and the next byte of each: of the response that is running too. None when the download has ended. */
  readonly asks: readonly Asked[];
}

type Asked = Readonly<Record<'start' | 'end' | 'at', Bytes>>;

export function linesOf(
  plan: PlanState,
  bytesBy: ReadonlyMap<PathId, Bytes>,
  names: ReadonlyMap<PathId, string>,
  ended: boolean,
): readonly LineView[] {
  return plan.paths.map((path) => {
    const busy = path.asks.length > 0 || plan.running?.path === path.id;
    const out = path.standing.kind === 'out';
    const bytes = bytesBy.get(path.id) ?? 0;
    return {
      id: path.id,
      name: names.get(path.id) ?? path.id,
      bytes,
      bytesPerSecond: busy && !ended ? rateOf(path) : 0,
      state: out ? 'out' : !busy ? 'idle' : bytes > 0 ? 'fetching' : 'connecting',
      asks: ended ? [] : [...runningOf(plan, path.id), ...path.asks],
    };
  });
}

/** The response that is running, to where the others have taken over from it. */
function runningOf({ running, whole }: PlanState, path: PathId): readonly Asked[] {
  if (running?.path !== path) return [];
  return [{ start: whole.start, end: running.carvedAt ?? whole.end, at: running.at }];
}
