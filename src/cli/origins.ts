/**
 * The commands of `linepool origins`: which servers are left alone for a while, why and until when; and to forget that. Clients of
 * the control API.
 */
import { ControlClient } from '../control/client.ts';
import type { RememberedOrigin } from '../control/origins.ts';
import type { Clock } from '../core/clock.ts';
import { formatDuration, type Milliseconds } from '../core/units.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import { type Print, table } from './table.ts';

export interface OriginFlags extends PlaceFlags {
  readonly json?: boolean;
}

const find = (flags: PlaceFlags): ControlClient => ControlClient.find(stateDirOf(flags));

export async function origins(flags: OriginFlags, print: Print, clock: Clock): Promise<void> {
  const list = await find(flags).origins();
  if (flags.json === true) print(JSON.stringify({ origins: list }));
  else for (const line of showOrigins(list, clock.wall())) print(line);
}

export async function forget(name: string, flags: OriginFlags, print: Print): Promise<void> {
  await find(flags).forgetOrigin(name);
  print(flags.json === true ? JSON.stringify({ forgotten: name }) : `${name} is not left alone any more.`);
}

export function showOrigins(list: readonly RememberedOrigin[], now: Milliseconds): string[] {
  if (list.length === 0) return ['No server is left alone: none has refused anything lately.'];
  return table(
    [{ title: 'SERVER' }, { title: 'LINE' }, { title: 'WHY' }, { title: 'FOR ANOTHER', align: 'right' }],
    list.map(({ origin, pathName, words, detail, until }) => [
      origin,
      pathName,
      detail === '' ? words : `${words} ${detail}`,
      formatDuration(Math.max(0, until - now)),
    ]),
  );
}
