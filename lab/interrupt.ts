/**
 * What asks the lab to end: Ctrl-C, `kill`, or a terminal that is closed. Called by main.ts, which removes what it made then.
 */
import { LabError } from './failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** From now on none of them ends this process: whoever has the signal must. */
export function untilInterrupted(): AbortSignal {
  const interrupt = new AbortController();
  for (const name of SIGNALS) process.on(name, () => interrupt.abort(new LabError('Interrupted.')));
  return interrupt.signal;
}
