/**
 * DNS-SD on the local network (RFC 6762, RFC 6763): what a router that wishes to be found says of itself, and what is taken from the
 * answers of others. Used by discovery.ts. Pure.
 *
 *     _linepool._tcp.local        PTR  lp-k3v7q2mx._linepool._tcp.local
 *     lp-k3v7q2mx._linepool…      SRV  port, lp-k3v7q2mx.local        TXT  v=2
 *     lp-k3v7q2mx.local           A    the address that this is sent from
 *
 * It must never say a name, an id or a key: everybody on the radio hears it. Of what it hears it must take nothing but what has the
 * form of the above, whatever else is in it.
 */
import type { Answer } from 'dns-packet';
import { PROTOCOL } from './channel.ts';

export const SERVICE = '_linepool._tcp.local';
/** Random characters of a name: enough that two at a time are never the same. */
export const PSEUDONYM_CHARACTERS = 8;
/** How long others may remember, in seconds; a goodbye comes before. */
const TTL = 120;
/** Records of one answer that are looked at; one of ours has four. */
const RECORDS_MAX = 64;

const PSEUDONYM = new RegExp(`^lp-[a-z2-7]{${PSEUDONYM_CHARACTERS}}$`);

export interface DnsQuestion {
  readonly name: string;
  readonly type: string;
}

/** A router that wishes to be found. */
export interface Announced {
  readonly pseudonym: string;
  readonly port: number;
}

/** The name for one time of being visible. `random`: so many bytes as it has characters, each of them random. */
export function pseudonymOf(random: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return `lp-${Array.from(random.subarray(0, PSEUDONYM_CHARACTERS), (byte) => alphabet.charAt(byte & 31)).join('')}`;
}

export const isPseudonym = (text: string): boolean => PSEUDONYM.test(text);

/** The records; with `ttl` 0 they say goodbye. */
export function announcement({ pseudonym, port }: Announced, address: string, ttl: number = TTL): Answer[] {
  const instance = `${pseudonym}.${SERVICE}`;
  const host = `${pseudonym}.local`;
  return [
    { name: SERVICE, type: 'PTR', ttl, data: instance },
    { name: instance, type: 'SRV', ttl, data: { port, target: host } },
    { name: instance, type: 'TXT', ttl, data: [`v=${PROTOCOL}`] },
    { name: host, type: 'A', ttl, data: address },
  ];
}

/** Whether one of the questions is for routers like us, or for that one. */
export function isAskedFor(questions: readonly DnsQuestion[], pseudonym: string): boolean {
  const ours = [SERVICE, `${pseudonym}.${SERVICE}`, `${pseudonym}.local`];
  return questions.slice(0, RECORDS_MAX).some(({ name }) => ours.includes(name.toLowerCase()));
}

export interface Heard {
  readonly announced: readonly Announced[];
  /** Pseudonyms that have said goodbye. */
  readonly gone: readonly string[];
}

/**
 * The routers in an answer. Names in another form than ours, other versions and ports that are none are passed over. Addresses in it
 * are not looked at: where it came from is where to call.
 */
export function readAnswer(records: readonly Answer[]): Heard {
  const looked = records.slice(0, RECORDS_MAX);
  const announced: Announced[] = [];
  const gone: string[] = [];
  for (const record of looked) {
    if (record.type !== 'SRV') continue;
    const { name, ttl } = record;
    const { port } = record.data;
    const pseudonym = name.toLowerCase().endsWith(`.${SERVICE}`) ? name.slice(0, -SERVICE.length - 1) : '';
    if (!isPseudonym(pseudonym) || port < 1 || port > 65_535) continue;
    if (ttl === 0) gone.push(pseudonym);
    else if (looked.some((other) => other.name === name && saysOurVersion(other))) {
      announced.push({ pseudonym, port });
    }
  }
  return { announced, gone };
}

function saysOurVersion(record: Answer): boolean {
  if (record.type !== 'TXT') return false;
  const texts = Array.isArray(record.data) ? record.data : [record.data];
  return texts.slice(0, RECORDS_MAX).some((text) => Buffer.from(text).equals(Buffer.from(`v=${PROTOCOL}`)));
}
