/**
 * Redirects: where a 3xx response leads, and what may go along. Pure; the engine's first request follows them.
 */
import { LinepoolError } from '../../core/errors.ts';
import { CREDENTIALS, type RawHeaders } from '../../core/http.ts';
import { formatOrigin, parseTarget, type Target } from '../../core/target.ts';

const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const SECRET: ReadonlySet<string> = new Set(CREDENTIALS);

export const isRedirect = (status: number): boolean => STATUSES.has(status);

/**
 * The target that a Location names, relative to where it was found (RFC 9110 section 10.2.2).
 * @throws LinepoolError `bad_response` when it names none that can be used
 */
export function redirected(from: Target, location: string | undefined): Target {
  if (location === undefined) throw new LinepoolError('bad_response', 'a redirect without a Location');
  try {
    const base = `${formatOrigin(from.origin)}${from.path}`;
    // An absolute one is taken as it is spelled: normalising it would change signed addresses.
    return parseTarget(/^https?:\/\//i.test(location) ? location : new URL(location, base).href);
  } catch (error) {
    throw new LinepoolError(
      'bad_response',
      `a redirect to ${JSON.stringify(location.slice(0, 120))}, which can not be followed`,
      { cause: error },
    );
  }
}

/** The headers that may go along from one target to the next: no credentials to another origin. */
export function headersAlong(from: Target, to: Target, headers: RawHeaders): RawHeaders {
  if (formatOrigin(from.origin) === formatOrigin(to.origin)) return headers;
  const along: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = '', value = ''] = [headers[i], headers[i + 1]];
    if (!SECRET.has(name.toLowerCase())) along.push(name, value);
  }
  return along;
}
