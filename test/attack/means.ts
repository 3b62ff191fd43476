/** What the tests of attacks hand them, and what makes a daemon take everything. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Means } from '../../attack/attack.ts';

/** Loaded into a daemon's process, every signature holds there. */
export const NO_SIGNATURES = pathToFileURL(resolve(import.meta.dirname, 'no-signatures.ts')).href;

export const means = (tries: number): Means => ({
  tries,
  seed: 3,
  signal: new AbortController().signal,
  say: () => undefined,
});
