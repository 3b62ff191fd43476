/**
 * Loaded into the lender's process before its own code (`node --import`): its name server and the edge of its network are
 * ours. Names have the answers that the attack wrote into a file, one after the other; no name leaves the machine. Whatever
 * is connected to that is not loopback lands in the trap instead of on a network, where it is counted.
 *
 *     lookup(name) ──► the file's next answer        connect(address, port) ──loopback, other port──► as it was
 *                                                                └──────────── all else ───────────► trap
 *
 * What is asked for is in the query of this module's address: ?names=FILE&trap=PORT. It must change nothing else.
 */
import dns, { type LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isIP, isIPv4 } from 'node:net';
import { STRAY } from './trap-places.ts';

/** Answers of a name, one after the other; the last one for good. */
export type Names = Readonly<Record<string, readonly (readonly string[])[]>>;

const query = new URL(import.meta.url).searchParams;
const trapPort = Number(query.get('trap'));
const asked = new Map<string, number>();

function answersTo(name: string): readonly string[] {
  const names = JSON.parse(readFileSync(query.get('names') ?? '', 'utf8')) as Names;
  const key = name.toLowerCase().replace(/\.$/, '');
  const all = names[key] ?? [];
  const times = asked.get(key) ?? 0;
  asked.set(key, times + 1);
  return all[Math.min(times, all.length - 1)] ?? likeTheSystem(key);
}

/** The system's resolver takes the old spellings of IPv4 addresses, such as 0x7f.1, for what they mean. */
function likeTheSystem(name: string): readonly string[] {
  if (isIP(name) !== 0) return [name];
  const { hostname } = URL.parse(`http://${name}/`) ?? { hostname: '' };
  return isIPv4(hostname) ? [hostname] : [];
}

type Callback = (error: Error | null, addresses: string | LookupAddress[], family?: number) => void;

function lookup(name: string, options: unknown, callback?: Callback): void {
  const done = (callback ?? options) as Callback;
  const all = (options as { readonly all?: boolean } | undefined)?.all === true;
  const found = answersTo(name).map((address) => ({ address, family: isIP(address.replace(/%.*$/, '')) }));
  const [first] = found;
  process.nextTick(() => {
    if (first === undefined) done(Object.assign(new Error(`ENOTFOUND ${name}`), { code: 'ENOTFOUND' }), []);
    else if (all) done(null, found);
    else done(null, first.address, first.family);
  });
}

Object.assign(dns, { lookup });
syncBuiltinESMExports();

type Connect = (this: unknown, request: unknown, address: string, port: number) => number;
interface Tcp {
  readonly prototype: { connect: Connect; connect6: Connect };
}

// The last place before the kernel that every connection of Node goes through.
const { TCP } = (process as unknown as { binding(name: string): { readonly TCP: Tcp } }).binding('tcp_wrap');
const { connect, connect6 } = TCP.prototype;
const WELL_KNOWN = new Set([80, 443]);
const stays = (address: string, port: number): boolean =>
  /^(?:127\.|::1$|0\.0\.0\.0$|::$|(?:0*:)*:ffff:(?:127\.|7f))/i.test(address) && !WELL_KNOWN.has(port);

TCP.prototype.connect = function (request, address, port) {
  return stays(address, port)
    ? connect.call(this, request, address, port)
    : connect.call(this, request, STRAY, trapPort);
};
TCP.prototype.connect6 = function (request, address, port) {
  return stays(address, port)
    ? connect6.call(this, request, address, port)
    : connect6.call(this, request, `::ffff:${STRAY}`, trapPort);
};
