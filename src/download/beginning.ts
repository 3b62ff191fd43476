/**
 * How a download begins and ends, as values: its first plan, and the events that tell of it. Pure.
 */
import type { Event } from '../core/events.ts';
import { lengthOf } from '../core/span.ts';
import { formatOrigin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { OWN } from '../paths/path.ts';
import type { DownloadOptions, Ended, RunningResponse } from './contract.ts';
import { startPlan } from './plan.ts';
import type { PlanState } from './plan-state.ts';
import type { Received } from './received.ts';
import type { Sink } from './sink.ts';
import { UNKNOWN_RATE } from './throughput.ts';

export function planOf(
  { whole, have, settings, sink, ownRate }: DownloadOptions,
  response: RunningResponse | undefined,
  now: Milliseconds,
): PlanState {
  const running = response && { path: OWN, rate: ownRate ?? UNKNOWN_RATE, latencyMs: response.latencyMs };
  return startPlan(
    { settings, whole, horizon: sink.horizon, ...(have && { have }), ...(running && { running }) },
    now,
  );
}

export const startedEvent = (
  download: string,
  { target, whole, settings }: DownloadOptions,
  plan: PlanState,
): Event => ({
  kind: 'download_started',
  download,
  origin: formatOrigin(target.origin),
  bytes: lengthOf(whole),
  paths: plan.paths.map((path) => path.id),
  scheme: settings.scheme,
});

export const endedEvent = (
  download: string,
  ended: Ended,
  ms: Milliseconds,
  received: Received,
  sink: Sink,
): Event => ({
  kind: 'download_ended',
  download,
  outcome: ended.outcome,
  code: ended.outcome === 'failed' ? ended.error.code : undefined,
  ms,
  bytesByPath: Object.fromEntries(received.by),
  bytesTwice: received.twice,
  peakWindowBytes: sink.peakBytes,
});
