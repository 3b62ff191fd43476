/**
 * Hours: the grammar of "01:00-06:00 100 %", a part of the day and the percentage that holds in it. Read by the
 * configuration, by the lending policy and by what shows it. Local time is the caller's: here a day has 1440 minutes.
 */

/** Half-open, in minutes since midnight; `to` at or below `from` goes over midnight. */
export interface Hours {
  readonly from: number;
  readonly to: number;
  readonly percent: number;
}

export const DAY_MINUTES = 24 * 60;
/** More parts of a day than this are a mistake. */
export const HOURS_MAX = 24;
export const HOURS_EXAMPLE = '"01:00-06:00 100 %"';

const TEXT = /^\s*(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?\s+(\d{1,3}(?:\.\d+)?)\s*%\s*$/;

/** `"1-6 100%"`, `"22:30-06:00 80 %"`. Undefined when it is not that, or can't be. */
export function parseHours(text: string): Hours | undefined {
  const match = TEXT.exec(text);
  if (match === null) return undefined;
  const from = minuteOf(match[1], match[2]);
  const to = minuteOf(match[3], match[4]);
  const percent = Number(match[5]);
  if (from === undefined || to === undefined || percent > 100) return undefined;
  return from === DAY_MINUTES || from === to ? undefined : { from, to, percent };
}

/** `"22:30-06:00 80 %"`: what `parseHours` reads. */
export function formatHours({ from, to, percent }: Hours): string {
  return `${formatMinute(from)}-${formatMinute(to)} ${percent} %`;
}

/** `"06:00"`. */
export function formatMinute(minute: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** Whether that minute of the day lies in it. */
export function within({ from, to }: Hours, minute: number): boolean {
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

/** The first two that have a minute in common; undefined when none have. */
export function overlap(all: readonly Hours[]): readonly [Hours, Hours] | undefined {
  for (const [i, one] of all.entries()) {
    const other = all.slice(i + 1).find((each) => within(one, each.from) || within(each, one.from));
    if (other !== undefined) return [one, other];
  }
  return undefined;
}

/** What is wrong with such a list as a person wrote it, and what it must be; undefined when nothing is. */
export function hoursComplaint(texts: readonly string[]): string | undefined {
  if (texts.length > HOURS_MAX) return `must have at most ${HOURS_MAX} parts`;
  const all: Hours[] = [];
  for (const text of texts) {
    const one = parseHours(text);
    if (one === undefined) {
      return `${JSON.stringify(text)} must be from-to and 0 to 100 %, such as ${HOURS_EXAMPLE}`;
    }
    all.push(one);
  }
  const both = overlap(all);
  if (both === undefined) return undefined;
  return `"${formatHours(both[0])}" and "${formatHours(both[1])}" overlap: end one where the other begins`;
}

function minuteOf(hour = '', minute = '0'): number | undefined {
  const at = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && at <= DAY_MINUTES ? at : undefined;
}
