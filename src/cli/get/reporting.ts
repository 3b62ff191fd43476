/**
 * Reporting: tells the daemon of a download of `get` once a second, and of its end, so that it is listed there. It must never hold
 * the download up, nor fail it: a daemon that does not answer, or is older, just does not list it.
 */
import type { ControlClient } from '../../control/client.ts';
import { REPORT_EVERY_MS, reportOf } from '../../control/reported.ts';
import { Done } from '../../control/schema.ts';
import type { Clock } from '../../core/clock.ts';
import type { Milliseconds } from '../../core/units.ts';
import type { Download } from '../../download/download.ts';

const ANSWER_TIMEOUT_MS: Milliseconds = 1_000;

/** Until it is disposed of, which tells of the end. */
export function reporting(
  daemon: Pick<ControlClient, 'call'>,
  download: Download,
  clock: Clock,
): AsyncDisposable {
  let going: Promise<void> | undefined;
  const send = async (): Promise<void> => {
    const path = `/v1/downloads/${download.id}`;
    await daemon.call('PUT', path, Done, reportOf(download), ANSWER_TIMEOUT_MS).catch(() => undefined);
    going = undefined;
  };
  going = send();
  const timer = clock.every(REPORT_EVERY_MS, () => {
    going ??= send();
  });
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]();
      await going;
      await send();
    },
  };
}
