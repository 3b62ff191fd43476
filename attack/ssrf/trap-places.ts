/**
 * Where what happens in the attack: all of it loopback. Read by the trap, the resolver and the corpus.
 */

/** Stands in for the public Internet: the lender is told that it may go there. */
export const PUBLIC_NETWORK = '127.77.0.0/16';
/** An origin that answers well, or redirects when it is asked to. */
export const PUBLIC = '127.77.0.1';
/** An origin that resets each connection once it was asked something. */
export const RESETS = '127.77.0.2';
/** Addresses of the lender's own, as its neighbours and the Internet see it, that no interface shows. */
export const OWN_WAN_NETWORK = '127.77.200.0/24';
/** Where what was on its way to another machine lands. */
export const STRAY = '127.66.0.1';

/** True for addresses of the stand-in for the public Internet, as a socket gives them. */
export const isPublicPlace = (address: string): boolean =>
  address.startsWith('127.77.') && !address.startsWith('127.77.200.');
