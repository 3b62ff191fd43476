/**
 * Public addresses: which a borrower may be carried to. Asked by `dial` for each address, after the lender's own name
 * resolution and before a packet goes out; the address asked about is the one connected to. Pure.
 * It must never let through an address of the lender's home, of this machine, or one that hides such an address in
 * another notation: what is not known to be globally routable unicast is refused.
 */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A network in CIDR notation, read. */
export type Network = readonly [Address, number];

export interface AddressRule {
  /** Networks that may be reached although they are not public; for tests. */
  readonly allowNetworks: readonly Network[];
  /** Of the lender's own interfaces. Public ones lead into its home as well as private ones do. */
  readonly ownAddresses: readonly Address[];
}

const networks = (...texts: string[]): readonly Network[] => texts.map((text) => ipaddr.parseCIDR(text));

/** All that IPv6 gives out as global unicast (RFC 4291, IANA). Outside are mapped, compatible, SIIT, NAT64, ULA, and more. */
const GLOBAL_IPV6 = networks('2000::/3');

/** Not covered by the special ranges that the library knows. */
const ALSO_REFUSED: readonly Network[] = networks(
  // Azure's host agent: in public space, but answered by the machine's own host.
  '168.63.129.16/32',
  // The whole of Teredo, ORCHID, benchmarking and what else IETF protocols were given (RFC 2928).
  '2001::/23',
  // 6to4 carries an IPv4 address in its second and third group (RFC 3056).
  '2002::/16',
  // The 6bone (RFC 3701), given back and routed nowhere.
  '3ffe::/16',
);

/** A home's network in IPv6 (RFC 7421): what has the same prefix as one of our global addresses is on our own link. */
const HOME_BITS = 64;

/** The interface identifiers of ISATAP (RFC 5214): an IPv4 address in the last two groups. */
const ISATAP = new Set(['0:5efe', '200:5efe']);

/**
 * Networks as people write them: `"127.0.0.0/8"`, `"fd00::/8"`.
 * @throws Error when one is not a network
 */
export const parseNetworks = (texts: readonly string[]): readonly Network[] => networks(...texts);

/**
 * Why an address may not be connected to; undefined when it may. Anything that is not exactly one IPv4 or IPv6
 * address in its usual notation (zone ids, octal, hexadecimal and short forms among it) is refused too.
 */
export function addressRefusal(address: string, rule: AddressRule): 'address_refused' | undefined {
  if (address.includes('%') || !(isIPv4(address) || isIPv6(address))) return 'address_refused';
  const parsed = ipaddr.parse(address);
  if (within(parsed, rule.allowNetworks)) return undefined;
  if (parsed.range() !== 'unicast' || within(parsed, ALSO_REFUSED)) return 'address_refused';
  if (parsed instanceof ipaddr.IPv6 && (!within(parsed, GLOBAL_IPV6) || isIsatap(parsed))) {
    return 'address_refused';
  }
  return rule.ownAddresses.some((own) => isOurs(parsed, own)) ? 'address_refused' : undefined;
}

/** An address of this machine, or of its home's IPv6 network. The kinds are the same when the whole is compared. */
const isOurs = (address: Address, own: Address): boolean =>
  within(address, [[own, own.kind() === 'ipv4' ? 32 : HOME_BITS]]);

/** Whether it is in one of them. Families are not mixed: an IPv4-mapped address is in no IPv4 network. */
export const within = (address: Address, list: readonly Network[]): boolean =>
  list.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));

const isIsatap = ({ parts }: ipaddr.IPv6): boolean =>
  ISATAP.has(`${(parts[4] ?? 0).toString(16)}:${(parts[5] ?? 0).toString(16)}`);
