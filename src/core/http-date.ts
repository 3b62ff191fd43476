/**
 * HTTP-dates (RFC 9110 section 5.6.7), read to the letter. Pure. It must never make a date of what is none, as `Date.parse`
 * does of nearly anything: what is served or asked for by it would be another thing.
 */
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

/**
 * Milliseconds since 1970 of an HTTP-date; undefined when it is none. `now` tells the century of a year of two digits; without
 * it such a date is none.
 */
export function parseHttpDate(text: string, now?: Milliseconds): Milliseconds | undefined {
  for (const form of FORMS) {
    const part = form.exec(text)?.groups;
    if (part === undefined) continue;
    const number = (name: string): number => Number(part[name] ?? '');
    const [day, hour, minute, second] = [number('day'), number('hour'), number('minute'), number('second')];
    if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
    const year = fullYear(part['year'] ?? '', now);
    if (year === undefined) return undefined;
    return Date.UTC(year, MONTHS.indexOf(part['month'] ?? ''), day, hour, minute, second);
  }
  return undefined;
}

/** A year of two digits that seems to be more than 50 years ahead is one of the past. */
function fullYear(text: string, now: Milliseconds | undefined): number | undefined {
  if (text.length === 4) return Number(text);
  if (now === undefined) return undefined;
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(text);
  return year > thisYear + 50 ? year - 100 : year;
}
