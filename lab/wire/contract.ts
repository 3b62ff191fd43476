/**
 * What a wire can do, whatever it is made of: wire.ts is in user space, netem.ts in the kernel. Pure.
 */
import { z } from 'zod';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';

const Way = z.object({
  /** What came out at the other end. */
  bytes: z.number(),
  packets: z.number(),
  lost: z.number(),
  /** For lack of room in the queue. */
  dropped: z.number(),
  queued: z.number(),
  /** Since the counters were asked for the last time. */
  mostQueued: z.number(),
});
export const Counters = z.object({
  cpuMs: z.number(),
  unsent: z.number(),
  /** By how much a packet came later than it should, at most, since the last time. */
  worstLateUs: z.number(),
  ways: z.record(z.string(), Way),
});
export type Counters = z.output<typeof Counters>;

export interface WayShape {
  readonly rate?: BytesPerSecond;
  /** One way. */
  readonly delayMs?: Milliseconds;
  readonly jitterMs?: Milliseconds;
  /** 0 to 1. */
  readonly loss?: number;
  readonly queueBytes?: Bytes;
}

export interface Device {
  readonly ns: string;
  readonly device: string;
}

/** All lines of a neighbourhood, and its radio. A line has two ways, NAME.down and NAME.up. */
export interface Wires extends AsyncDisposable {
  /** A line between two namespaces: `down` leads from the first to the second. */
  wire(name: string, from: Device, to: Device): Promise<void>;
  /** One more device on a shared medium. */
  station(radio: string, at: Device & { readonly address: string }): Promise<void>;
  /** Changes a way (`NAME.down`), or all ways of a name, from now on; what is left out stays. */
  shape(way: string, shape: WayShape): Promise<void>;
  /** Nothing moves any more, nothing ends, nothing is refused. */
  stall(name: string): Promise<void>;
  go(name: string): Promise<void>;
  /** Of the dice that lose packets, where they can be chosen. */
  seed(number: number): Promise<void>;
  counters(): Promise<Counters>;
}
