/**
 * Retry-After: how long a server asks to be left alone (RFC 9110 section 10.2.3). Pure; used wherever an origin may say no,
 * by downloads and by `get`. It must never take garbage for a wish, nor a wish for more than its caller's bound.
 */
import { fieldValue, type RawHeaders } from './http.ts';
import { parseHttpDate } from './http-date.ts';
import type { Milliseconds } from './units.ts';

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
