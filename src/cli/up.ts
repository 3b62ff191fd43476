/**
 * `linepool up`: runs a daemon in the foreground until a signal or `linepool stop` ends it. Opening it is the
 * composition root's, handed in; here are only the signals, the one ready line, and a bound on the end.
 */
import type { Config } from '../config.ts';
import { loadConfig } from '../config.ts';
import type { Desk } from '../control/desk.ts';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { giveBackMemory } from './memory.ts';
import { configFileOf, type PlaceFlags, stateDirOf } from './places.ts';

export interface RunningDaemon extends AsyncDisposable {
  readonly desk: Desk;
  /** Resolves when it was asked to end over the control API. */
  readonly ended: Promise<void>;
  /** @throws LinepoolError `policy_invalid` */
  readonly reload: (config: Config) => void;
}

export type OpenDaemon = (options: {
  readonly config: Config;
  readonly stateDir: string;
  readonly version: string;
}) => Promise<RunningDaemon>;

/** After this the process ends whatever is still open: every byte on its way can be asked for again. */
export const END_GRACE_MS: Milliseconds = 3_000;

export interface UpContext {
  readonly openDaemon: OpenDaemon;
  readonly version: string;
  readonly clock: Clock;
  readonly print: (line: string) => void;
  /** Calls back for each signal that asks for the end. */
  readonly onSignal: (listener: (name: string) => void) => void;
  /** Calls back when the configuration is to be read again. */
  readonly onReload: (listener: () => void) => void;
  readonly exit: (code: number) => void;
}

/** Resolves at the end of the daemon. @throws LinepoolError `config_invalid`, `daemon_running`, `port_taken` … */
export async function up(
  flags: PlaceFlags & { readonly json?: boolean },
  { openDaemon, version, clock, print, onSignal, onReload, exit }: UpContext,
): Promise<void> {
  const stateDir = stateDirOf(flags);
  const file = configFileOf(flags);
  const config = loadConfig(file);
  const signalled = new Promise<void>((resolve) => {
    let signals = 0;
    onSignal((name) => {
      signals += 1;
      // Who asks twice does not want to wait.
      if (signals > 1) exit(name === 'SIGINT' ? 130 : 143);
      resolve();
    });
  });
  const daemon = await openDaemon({ config, stateDir, version });
  onReload(() => readAgain(daemon, file));
  print(readyLine(daemon.desk, flags.json === true));
  giveBackMemory();
  // The daemon's own sockets hold the process until then.
  await Promise.race([signalled, daemon.ended]);
  using _grace = clock.after(END_GRACE_MS, () => exit(0));
  await daemon[Symbol.asyncDispose]();
}

/** What can't be is told, and all stays as it was. */
function readAgain({ desk, reload }: RunningDaemon, file: string | undefined): void {
  try {
    reload(loadConfig(file));
    desk.events.report({ kind: 'configuration_read', file: file ?? '' });
  } catch (error) {
    const { code, detail } = asLinepoolError(error);
    desk.events.report({ kind: 'warning', code, detail: `${detail} The running policy stays.` });
  }
}

function readyLine(desk: Desk, json: boolean): string {
  const { pid, household, proxy, control, link } = desk.status();
  if (json) return JSON.stringify({ ready: true, pid, id: household.id, proxy, control, link });
  const neighbours = link.length === 0 ? 'no link' : `link ${link.join(' ')}`;
  return `linepool ready: proxy ${proxy.join(' ')}, control ${control}, ${neighbours}, household ${household.shortId}`;
}
