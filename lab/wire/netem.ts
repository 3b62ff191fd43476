/**
 * The wire in the kernel, where it has netem: a pair of veth devices for each line, and `tc` at both ends. Opened by
 * wires.ts. A radio with a rate of its own is one medium for all, which netem is not, so that stays with the wire
 * in user space.
 *
 *     ns A: device ── netem (rate, delay, loss, limit) ──► device :ns B       and the same back
 *
 * What is other than in user space: a way that stalls loses what it is given instead of holding it; losses are counted
 * with what the queue drops, and not at all here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bytes } from '../../src/core/units.ts';
import { ip } from '../namespaces.ts';
import { type Counted, deviceOf, ETHERNET_BYTES, payload } from '../net-dev.ts';
import { RUN_FOLDER } from '../places.ts';
import { must, Running, run } from '../process.ts';
import type { Counters, Device, WayShape, Wires } from './contract.ts';

const PACKET_BYTES: Bytes = 1500;
/** Of a way without a rate: more than any test has under way. */
const MANY_PACKETS = 100_000;

/** The words for `tc qdisc … root`. netem holds what waits and what is under way in one queue, counted in packets. */
export function netemWords(shape: WayShape, isStalled: boolean): readonly string[] {
  const { rate = 0, delayMs = 0, jitterMs = 0, loss = 0, queueBytes = 0 } = shape;
  const held = queueBytes + (rate * (delayMs + jitterMs)) / 1000;
  const limit = rate === 0 ? MANY_PACKETS : Math.max(1, Math.ceil(held / PACKET_BYTES));
  // netem's jitter goes both ways from the delay, ours only adds to it.
  const delay = [`${(delayMs + jitterMs / 2) * 1000}us`, ...(jitterMs > 0 ? [`${jitterMs * 500}us`] : [])];
  return [
    'netem',
    'limit',
    String(limit),
    'delay',
    ...delay,
    ...(isStalled ? ['loss', '100%'] : loss > 0 ? ['loss', `${loss * 100}%`] : []),
    // A line has no headers of Ethernet; netem would count them.
    ...(rate > 0 ? ['rate', `${Math.round(rate * 8)}bit`, `-${ETHERNET_BYTES}`] : []),
  ];
}

/**
 * The commands that make a line. Nobody asks who has an address: both ends have one MAC address, so that a packet for
 * whatever is behind the other end is taken there, as on a line. No packet is larger than a line's.
 */
export function linkCommands(
  from: Device,
  to: Device,
): readonly { readonly ns: string; readonly ip: readonly string[] }[] {
  const set = (device: string): string =>
    `link set ${device} address 02:00:00:00:00:01 arp off gso_max_segs 1`;
  return [
    { ns: from.ns, ip: [`link add ${from.device} type veth peer name ${to.device} netns ${to.ns}`] },
    { ns: from.ns, ip: [set(from.device)] },
    { ns: to.ns, ip: [set(to.device)] },
  ];
}

/** What a device has received, from the text of `/proc/PID/net/dev`; without Ethernet's headers. */
export function receivedOf(netDev: string, device: string): Counted {
  const { received } = deviceOf(netDev, device);
  return { ...received, bytes: payload(received) };
}

/** Whether this kernel has it, tried on the loopback device of a namespace. */
export async function hasNetem(ns: string): Promise<boolean> {
  const { code } = await run(['tc', '-n', ns, 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
  return code === 0;
}

interface Way {
  readonly from: Device;
  readonly to: Device;
  shape: WayShape;
  isStalled: boolean;
}

export class NetemWires implements Wires {
  readonly #ways = new Map<string, Way>();
  /** In every namespace a process that does nothing: by its id the counters of the namespace can be read. */
  readonly #sleepers = new Map<string, Running>();
  /** For radios, and all that is theirs. */
  readonly #medium: Wires;

  constructor(medium: Wires) {
    this.#medium = medium;
  }

  async wire(name: string, from: Device, to: Device): Promise<void> {
    for (const { ns, ip: commands } of linkCommands(from, to)) await ip(ns, commands);
    for (const [way, a, b] of [
      [`${name}.down`, from, to],
      [`${name}.up`, to, from],
    ] as const) {
      this.#ways.set(way, { from: a, to: b, shape: {}, isStalled: false });
      if (!this.#sleepers.has(b.ns))
        this.#sleepers.set(
          b.ns,
          Running.start('sleep', ['sleep', 'infinity'], join(RUN_FOLDER, 'sleep.log'), { ns: b.ns }),
        );
      await this.shape(way, {});
    }
  }

  async station(radio: string, at: Device & { readonly address: string }): Promise<void> {
    await this.#medium.station(radio, at);
  }

  async shape(name: string, shape: WayShape): Promise<void> {
    await this.#change(
      name,
      (way) => {
        way.shape = { ...way.shape, ...shape };
      },
      () => this.#medium.shape(name, shape),
    );
  }

  async stall(name: string): Promise<void> {
    await this.#change(
      name,
      (way) => {
        way.isStalled = true;
      },
      () => this.#medium.stall(name),
    );
  }

  async go(name: string): Promise<void> {
    await this.#change(
      name,
      (way) => {
        way.isStalled = false;
      },
      () => this.#medium.go(name),
    );
  }

  /** netem of most kernels throws its own dice. */
  async seed(number: number): Promise<void> {
    await this.#medium.seed(number);
  }

  async counters(): Promise<Counters> {
    const counters = await this.#medium.counters();
    const texts = new Map(
      [...this.#sleepers].map(([ns, { pid }]) => [ns, readFileSync(`/proc/${pid}/net/dev`, 'utf8')]),
    );
    const own = [...this.#ways].map(([name, { to }]) => [
      name,
      { ...receivedOf(texts.get(to.ns) ?? '', to.device), lost: 0, dropped: 0, queued: 0, mostQueued: 0 },
    ]);
    return { ...counters, ways: { ...counters.ways, ...Object.fromEntries(own) } };
  }

  async #change(name: string, change: (way: Way) => void, other: () => Promise<void>): Promise<void> {
    const ways = [...this.#ways].filter(([way]) => way === name || way.startsWith(`${name}.`));
    if (ways.length === 0) await other();
    for (const [, way] of ways) {
      change(way);
      const { ns, device } = way.from;
      const words = netemWords(way.shape, way.isStalled);
      await must(['tc', '-n', ns, 'qdisc', 'replace', 'dev', device, 'root', ...words]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sleeper of this.#sleepers.values()) await sleeper.kill();
    await this.#medium[Symbol.asyncDispose]();
  }
}
