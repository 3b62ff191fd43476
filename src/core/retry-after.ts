/**
 * Retry-After: how long a server asks to be left alone (RFC 9110 section 10.2.3). Pure; used wherever an origin may say no,
 * by downloads and by `get`. It must never take garbage for a wish, nor a wish for more than its caller's bound.
 */
import { fieldValue, type RawHeaders } from './http.ts';
import type { Milliseconds } from './units.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const LONG_DAY = '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day';
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})';
/** The three forms of an HTTP-date (RFC 9110 section 5.6.7): as it is sent today, and two that are read only. */
const FORMS = [
  `^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`,
  `^${LONG_DAY}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`,
  `^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`,
].map((form) => new RegExp(form));

/** Milliseconds since 1970 of an HTTP-date; undefined when it is none. `now` tells the century of a year of two digits. */
export function parseHttpDate(text: string, now: Milliseconds): Milliseconds | undefined {
  for (const form of FORMS) {
    const part = form.exec(text)?.groups;
    if (part === undefined) continue;
    const number = (name: string): number => Number(part[name] ?? '');
    const [day, hour, minute, second] = [number('day'), number('hour'), number('minute'), number('second')];
    if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
    return Date.UTC(
      fullYear(part['year'] ?? '', now),
      MONTHS.indexOf(part['month'] ?? ''),
      day,
      hour,
      minute,
      second,
    );
  }
  return undefined;
}

/** A year of two digits that seems to be more than 50 years ahead is one of the past. */
function fullYear(text: string, now: Milliseconds): number {
  if (text.length === 4) return Number(text);
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(text);
  return year > thisYear + 50 ? year - 100 : year;
}

/**
 * What the field asks for, from now on: seconds, or a date, told by the server's own clock where it sent one. Undefined when
 * there is no field, or none that can be read. Not bounded: whoever waits knows how long it can.
 */
export function retryAfterOf(headers: RawHeaders, wallNow: Milliseconds): Milliseconds | undefined {
  const value = fieldValue(headers, 'retry-after')?.trim();
  if (value === undefined) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1000;
  const date = parseHttpDate(value, wallNow);
  if (date === undefined) return undefined;
  const sent = parseHttpDate(fieldValue(headers, 'date')?.trim() ?? '', wallNow);
  return Math.max(0, date - (sent ?? wallNow));
}
