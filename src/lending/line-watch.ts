/**
 * The line watched: reads the texts of /proc/net and /sys/class/net and hands the counters of the interfaces that lead to the Internet to
 * the meter. Asked by the steward. They are read at once and not by promises: the kernel makes them in microseconds.
 * It must never throw: where there is nothing to be read, it says so.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { type Interfaces, type ReadInterfaces, toldInterfaces } from '../core/interfaces.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Linked } from '../neighbours/link-sockets.ts';
import {
  arpEntries,
  type Counters,
  defaultInterface4,
  defaultInterface6,
  interfaceCounters,
} from './counters.ts';

/**
 * Kinds of interfaces whose packets go out over another one (include/uapi/linux/if_arp.h): IPIP, IP6IP6, SIT, GRE, GRE over IPv6,
 * and those without any header of a link, as TUN, WireGuard and NAT46 are.
 */
const TUNNELS: ReadonlySet<string> = new Set(['768', '769', '776', '778', '823', '65534']);

/** Routes change seldom. */
const ROUTES_EVERY_MS: Milliseconds = 1_000;

/** The text of a file below /proc or /sys; undefined when there is none. */
export type ReadProc = (file: string) => string | undefined;

export interface LineWatchOptions {
  /** `auto`: those of the default routes; `none`: no counters are read; else its name. */
  readonly interface: string;
  readonly clock: Clock;
  /** Default: those of this machine. */
  readonly read?: ReadProc;
  /** Default: those of this machine. */
  readonly addresses?: ReadInterfaces;
}

/** Which interfaces lead to clients alone, as it was found. */
interface InsideNames {
  readonly at: Milliseconds;
  readonly link: Linked;
  readonly names: ReadonlySet<string>;
}

export class LineWatch {
  readonly #options: LineWatchOptions;
  readonly #read: ReadProc;
  readonly #told: () => Interfaces | undefined;
  #names: readonly string[] = [];
  /** What goes through them is counted by one of those already. */
  #stacked: readonly string[] = [];
  #namesAt: Milliseconds | undefined;
  #everFound = false;
  /** Of all interfaces, as they were read last. */
  #all: ReadonlyMap<string, Counters> = new Map();
  #inside: InsideNames | undefined;

  constructor(options: LineWatchOptions) {
    this.#options = options;
    this.#read = options.read ?? readProc;
    this.#told = toldInterfaces(options.addresses);
  }

  /** The interfaces that lead to the Internet, as they were found last. */
  get interfaces(): readonly string[] {
    return this.#names;
  }

  /** This machine passes on what others send: it is likely to see all that the household does. */
  get isGateway(): boolean {
    return ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'].some(
      (file) => this.#read(file)?.trim() === '1',
    );
  }

  /**
   * Whether who connects to these addresses of ours comes over the line's own interface. Of an address that stands for
   * all, it is taken to be so on a machine that is no gateway: it has one interface, mostly.
   */
  carries(addresses: readonly string[]): boolean {
    const own = this.#told() ?? {};
    const here = new Set(this.#names.flatMap((name) => (own[name] ?? []).map(({ address }) => address)));
    const forAll = addresses.some((address) => /^[0:.]+$/.test(address));
    return addresses.some((address) => here.has(address)) || (forAll && !this.isGateway);
  }

  /**
   * The counters of what leads to the household's clients: all interfaces with an address, but the line's own and those at which neighbours
   * reach us; of the moment at which `counters` was asked last. Undefined where clients can not be told from neighbours like that:
   * also when they are on the same interface.
   */
  inside(link: Linked): ReadonlyMap<string, Counters> | undefined {
    const { clock } = this.#options;
    const known = this.#inside;
    const isNew = known === undefined || clock.now() - known.at >= ROUTES_EVERY_MS;
    const { names } =
      isNew || !(sameSet(known.link.at, link.at) && sameSet(known.link.from, link.from))
        ? this.#findInside(link)
        : known;
    const found = new Map([...this.#all].filter(([name]) => names.has(name)));
    return found.size === 0 ? undefined : found;
  }

  /** Undefined where the machine has no counters, or none are to be read; empty when no interface leads out any more. */
  counters(): ReadonlyMap<string, Counters> | undefined {
    if (this.#options.interface === 'none') return undefined;
    const text = this.#read('/proc/net/dev');
    if (text === undefined) return undefined;
    this.#find();
    // On a machine that never had a way out there is nothing to go by; one that lost it is another matter.
    if (this.#names.length === 0 && !this.#everFound) return undefined;
    const all = interfaceCounters(text);
    this.#all = all;
    return new Map(
      this.#names.flatMap((name) => {
        const found = all.get(name);
        return found === undefined ? [] : [[name, found] as const];
      }),
    );
  }

  #findInside(link: Linked): InsideNames {
    const isLine = (name: string): boolean => this.#names.includes(name) || this.#stacked.includes(name);
    const isKnown = this.isGateway && this.#names.length > 0;
    const others = isKnown
      ? Object.entries(this.#told() ?? {}).filter(([name]) => name !== 'lo' && !isLine(name))
      : [];
    const isLink = ([, addresses = []]: (typeof others)[number]): boolean =>
      addresses.some(({ address }) => link.at.has(address));
    const seen = arpEntries(this.#read('/proc/net/arp') ?? '');
    const isShared = others
      .filter(isLink)
      .some(([name]) => seen.some(({ device, address }) => device === name && !link.from.has(address)));
    const names = isShared ? [] : others.filter((one) => !isLink(one)).map(([name]) => name);
    this.#inside = { at: this.#options.clock.now(), link, names: new Set(names) };
    return this.#inside;
  }

  #find(): void {
    const { clock, interface: chosen } = this.#options;
    if (chosen !== 'auto') {
      this.#names = [chosen];
      this.#everFound = true;
      return;
    }
    if (this.#namesAt !== undefined && clock.now() - this.#namesAt < ROUTES_EVERY_MS) return;
    this.#namesAt = clock.now();
    const found = [
      defaultInterface4(this.#read('/proc/net/route') ?? ''),
      defaultInterface6(this.#read('/proc/net/ipv6_route') ?? ''),
    ].filter((name) => name !== undefined);
    // IPv4 through IPv6, say: what goes through a tunnel would be counted twice.
    const isTunnel = (name: string): boolean =>
      TUNNELS.has(this.#read(`/sys/class/net/${name}/type`)?.trim() ?? '');
    const all = [...new Set(found)].sort();
    const below = all.length > 1 ? all.filter((name) => !isTunnel(name)) : all;
    this.#names = below.length > 0 ? below : all;
    this.#stacked = all.filter((name) => !this.#names.includes(name));
    this.#everFound ||= this.#names.length > 0;
  }
}

function readProc(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Another system than Linux, or a closed one: the meter goes by the daemon's own traffic.
    return undefined;
  }
}

const sameSet = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((one) => b.has(one));
