/**
 * Which paths a download may use now, and what is thought at first of those that join. Pure but for what the paths say.
 */
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { Path, PathId } from '../paths/path.ts';
import type { DownloadOptions } from './contract.ts';
import type { Joining, PlanState } from './plan-state.ts';
import { UNKNOWN_RATE } from './throughput.ts';

/** What a neighbour's first byte is thought to take beyond our own: its request to us, and a connection of its own. */
const DETOUR_MS: Milliseconds = 50;

/** The own line, which is what there always is and never left out beforehand, and the neighbours' that may be used. */
function usablePaths(
  { paths, target, credentials, memory }: DownloadOptions,
  isOut: (id: PathId) => boolean,
): readonly Path[] {
  const usable = (path: Path): boolean => {
    const offer = path.offer();
    return (
      !isOut(path.id) &&
      (offer === undefined || offer.bytesPerSecond > 0) &&
      path.carries(target.origin, { credentials }) &&
      !memory.isLeftOut(path.id)
    );
  };
  return [paths.own, ...paths.neighbours().filter(usable)];
}

/** Of what may be used now, what the plan does not use yet, and of what it uses what may not be used any more. */
export function changedPaths(
  options: DownloadOptions,
  plan: PlanState,
  isOut: (id: PathId) => boolean,
): { readonly leaving: readonly PathId[]; readonly joining: readonly Path[] } {
  const usable = usablePaths(options, isOut);
  const used = plan.paths.filter(({ standing }) => standing.kind !== 'out');
  return {
    leaving: used.map(({ id }) => id).filter((id) => !usable.some((path) => path.id === id)),
    joining: usable.filter((path) => !isOut(path.id) && !used.some(({ id }) => id === path.id)),
  };
}

/** What a path that joins is taken for until it has shown something. */
export function joiningOf(
  path: Path,
  ownRate: BytesPerSecond | undefined,
  ownLatencyMs: Milliseconds | undefined,
): Joining {
  return {
    path: path.id,
    rate: path.offer()?.bytesPerSecond ?? ownRate ?? UNKNOWN_RATE,
    latencyMs: (ownLatencyMs ?? DETOUR_MS) + DETOUR_MS,
  };
}
