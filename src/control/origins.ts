/**
 * The origins that are left alone for a while, as the control API shows them, and which of them a person means by a name.
 * The desk answers with it; the client checks with it. It must hold no path of what was downloaded: origins only.
 */
import { z } from 'zod';
import type { Health } from '../paths/health.ts';
import { type PathId } from '../paths/path.ts';
import { wordsFor } from '../paths/roster.ts';

/** Milliseconds since 1970. */
const moment = z.number();

export const RememberedOrigin = z.object({
  /** Scheme, host and port. */
  origin: z.string(),
  /** Over which line: "own", or a neighbour's id. What the own line was refused is not pooled at all. */
  path: z.string(),
  pathName: z.string(),
  code: z.string(),
  /** For people. */
  words: z.string(),
  /** What the origin said; may be empty. */
  detail: z.string(),
  since: moment,
  until: moment,
  /** How often in a row; each time doubles how long. */
  times: z.int().min(1),
});
export type RememberedOrigin = z.output<typeof RememberedOrigin>;

export const RememberedOrigins = z.object({ origins: z.array(RememberedOrigin) });

/** Newest first. */
export function shownOrigins(health: Health, nameOf: (path: PathId) => string): readonly RememberedOrigin[] {
  return health.leftOut().map((entry) => ({
    ...entry,
    pathName: nameOf(entry.path),
    words: wordsFor(entry.code),
  }));
}

/** True for the origins that a person may mean by `text`: a host, a host with its port, or the whole. */
export function isMeant(text: string): (origin: string) => boolean {
  const wanted = text.toLowerCase().replace(/\/$/, '');
  return (origin) => {
    const { host, hostname } = new URL(origin);
    return [origin, host, hostname].includes(wanted);
  };
}
