/**
 * Names of neighbours: what people call them. Used by the book and for what we say of ourselves. Pure.
 * A name comes from another household: it must never reach a screen or a log untidied.
 */
import { LinepoolError } from '../core/errors.ts';
import { type HouseholdId, shortId } from './household-id.ts';

/** Longest name, in UTF-16 units. */
export const NAME_MAX = 63;

/** A name fit to be shown: control and invisible characters out, white space single, not too long. */
export function tidyName(name: string): string {
  const clean = name
    .normalize('NFC')
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim();
  return clean
    .slice(0, NAME_MAX)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}

/**
 * The name that we chose, tidied.
 * @throws LinepoolError `usage` when nothing is left of it, `neighbour_name_taken`
 */
export function chosenName(name: string, taken: ReadonlySet<string>): string {
  const tidy = tidyName(name);
  if (tidy === '') throw new LinepoolError('usage', 'A name needs at least one character that can be seen.');
  if (taken.has(tidy)) throw new LinepoolError('neighbour_name_taken', JSON.stringify(tidy));
  return tidy;
}

/** The name that they gave themselves, with a number behind it where another has it already. */
export function uniqueName(name: string, id: HouseholdId, taken: ReadonlySet<string>): string {
  const tidy = tidyName(name) || shortId(id);
  for (let n = 1; ; n += 1) {
    const suffix = n === 1 ? '' : ` ${n}`;
    const candidate = tidy.slice(0, NAME_MAX - suffix.length) + suffix;
    if (!taken.has(candidate)) return candidate;
  }
}
