/**
 * Trust: how far a neighbour's line is used for http, where it could alter what it fetches. Vocabulary of the book of
 * trust, the configuration and the control API.
 *
 * `https-only`: its line carries nothing of http. `checked`: http too, and what it brings is checked against our own
 * line and the server's digests. `trusted`: http too, unchecked.
 */
export const TRUST_LEVELS = ['https-only', 'checked', 'trusted'] as const;
export type Trust = (typeof TRUST_LEVELS)[number];
