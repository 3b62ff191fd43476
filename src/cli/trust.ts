/**
 * `linepool trust`: how far a neighbour's line is used for http, and what is proved against it. A client of the control API.
 */
import { ControlClient } from '../control/client.ts';
import type { Neighbour } from '../control/schema.ts';
import { LinepoolError } from '../core/errors.ts';
import { TRUST_LEVELS, type Trust } from '../core/trust.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import { asArgument } from './show.ts';
import { type Print, pairs } from './table.ts';

export interface TrustFlags extends PlaceFlags {
  readonly json?: boolean;
  readonly lift?: boolean;
}

export async function trust(
  nameOrId: string,
  level: string | undefined,
  flags: TrustFlags,
  print: Print,
): Promise<void> {
  const client = ControlClient.find(stateDirOf(flags));
  const wanted = level === undefined ? undefined : levelOf(level);
  const neighbour = await client.trust(nameOrId, {
    ...(wanted === undefined ? {} : { trust: wanted }),
    ...(flags.lift === true ? { caught: 'lift' as const } : {}),
  });
  if (flags.json === true) print(JSON.stringify(neighbour));
  else for (const line of showTrust(neighbour)) print(line);
}

function levelOf(text: string): Trust {
  const level = TRUST_LEVELS.find((one) => one === text);
  if (level !== undefined) return level;
  throw new LinepoolError(
    'usage',
    `It must be one of ${TRUST_LEVELS.join(', ')}, not ${JSON.stringify(text)}.`,
  );
}

const MEANING: Readonly<Record<Trust, string>> = {
  'https-only': 'its line carries nothing of http for us',
  checked: 'http too; what it brings is checked',
  trusted: 'http too, unchecked',
};

/** What is set, and the proof of a quarantine with all that somebody needs who wants to check it. */
export function showTrust(neighbour: Neighbour): string[] {
  const { name, shortId, trust: level = '', caught } = neighbour;
  const meaning = Object.hasOwn(MEANING, level) ? `: ${MEANING[level as Trust]}` : '';
  const head = [
    ['Neighbour', `${name} (${shortId})`],
    ['Trust', `${level}${meaning}`],
  ] as const;
  if (caught === undefined) return pairs(head);
  return pairs([
    ...head,
    ['Quarantined', `since ${new Date(caught.at).toISOString()}: nothing of http goes over its line`],
    ['', 'because it brought other bytes than our own line did'],
    ['Origin', caught.origin],
    ['Bytes', `${caught.start} to ${caught.end - 1} of ${caught.total}`],
    ['It brought', `sha-256 ${caught.brought}`],
    ['Our own line', `sha-256 ${caught.ours}`],
    ['Signed by it', caught.signed ?? 'no: the answer had not come to its end'],
    ['To end it', `linepool trust ${asArgument(neighbour)} --lift`],
  ]);
}
