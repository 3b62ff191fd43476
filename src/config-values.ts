/**
 * The values that configuration keys can hold, each checked in one place: amounts with a unit, addresses, networks, hours. And how
 * a key says what it is for. Used by config.ts alone.
 */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { hoursComplaint } from './core/hours.ts';
import { parseAuthority } from './core/target.ts';
import { formatBytes, MIB, parseBytes, parseDuration, parseRate } from './core/units.ts';
import { hostComplaint, networksOf } from './lending/destinations.ts';

/** With less, hardly a download could begin. */
const LEAST_POOL_WINDOW = MIB;

const quantity = (read: (text: string) => number | undefined, example: string) =>
  z.union([z.string(), z.number()]).transform((value, context) => {
    const amount = typeof value === 'number' ? undefined : read(value);
    if (amount === undefined) {
      context.addIssue({ code: 'custom', message: `must be a string with a unit, such as ${example}` });
      return z.NEVER;
    }
    return amount;
  });

export const rate = quantity(parseRate, '"50 Mbit/s"');
export const size = quantity(parseBytes, '"16 MiB"');
export const poolWindow = size.refine(
  (bytes) => bytes >= LEAST_POOL_WINDOW,
  `must be at least ${formatBytes(LEAST_POOL_WINDOW)}`,
);
export const time = quantity(parseDuration, '"300 ms"');

export const percent = z.number().min(0, 'must be from 0 to 100').max(100, 'must be from 0 to 100');
export const weight = z.number().min(0.1, 'must be from 0.1 to 10').max(10, 'must be from 0.1 to 10');
export const hours = z.array(z.string()).superRefine((texts, context) => {
  const complaint = hoursComplaint(texts);
  if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint });
});

export const listenAddress = z
  .string()
  .refine(isListenAddress, 'must be address:port, such as "192.168.1.1:3128" or "[::1]:3128"');
export const authority = z
  .string()
  .max(262)
  .refine(isAuthority, 'must be host:port, such as "192.168.77.1:7468"');
export const network = z
  .string()
  .refine((text) => ipaddr.isValidCIDR(text), 'must be a network, such as "192.168.1.0/24"');
export const port = z.int().min(1).max(65_535);
export const addressOrNetwork = z
  .string()
  .refine(
    (text) => networksOf([text]).length === 1,
    'must be an address or a network, such as "203.0.113.7"',
  );
export const deniedHosts = z
  .array(z.string())
  .max(1024)
  .superRefine((texts, context) => {
    const complaint = hostComplaint(texts);
    if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint });
  });

/** An IP address, IPv6 in brackets, and a port; 0 is any that is free. */
function isListenAddress(text: string): boolean {
  const [, six, four, at] = /^(?:\[(.*)\]|([^[\]:]*)):(\d{1,5})$/.exec(text) ?? [];
  return (isIPv6(six ?? '') || isIPv4(four ?? '')) && !text.includes('%') && Number(at) <= 65_535;
}

export const PROBE_SAYS = 'must be "auto", "none", or an IP address and a port, such as "192.0.2.53:53"';
export const isProbe = (text: string): boolean => isListenAddress(text) && !text.endsWith(':0');

/** As others are to call it: a name or an address, and a port that is not 0. */
function isAuthority(text: string): boolean {
  try {
    parseAuthority(text);
    return true;
  } catch {
    return false;
  }
}

/** The sentence and unit of a key, for the printed example. */
export const key = <T extends z.ZodType>(schema: T, preset: z.input<T>, says: string) =>
  schema.prefault(preset as never).meta({ says, preset });
export const optionalKey = <T extends z.ZodType>(schema: T, example: z.input<T>, says: string) =>
  schema.optional().meta({ says, example });
