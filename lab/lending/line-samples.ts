/**
 * What goes over the lender's line, many times a second, from the counters of its router: all of it came in at `wan`; what
 * went out at `lan` was for the household's own client; the rest was lent. Borrowers' parts are what came in at their
 * routers' `radio`. Used by run.ts. It reads the kernel's counters only, and knows nothing of what the daemons say.
 */
import { readFileSync } from 'node:fs';
import type { Bytes, Milliseconds } from '../../src/core/units.ts';
import { LabError } from '../failure.ts';
import { deviceOf, payload } from '../net-dev.ts';

const SAMPLE_MS: Milliseconds = 10;

/** Counted from the beginning; bytes of packets with their headers, without Ethernet's. */
export interface LineSample {
  readonly ms: Milliseconds;
  /** Came over the line. */
  readonly line: Bytes;
  /** Went to the household's own client. */
  readonly own: Bytes;
  /** Packets that came from it. */
  readonly asked: number;
  /** Came to each borrower from the lender. */
  readonly borrowers: readonly Bytes[];
}

const read = (pid: number): string => readFileSync(`/proc/${pid}/net/dev`, 'utf8');

function look(lender: number, borrowers: readonly number[], isTun: boolean): Omit<LineSample, 'ms'> {
  const text = read(lender);
  const wan = deviceOf(text, 'wan').received;
  const lan = deviceOf(text, 'lan');
  return {
    line: isTun ? wan.bytes : payload(wan),
    own: payload(lan.sent),
    asked: lan.received.packets,
    borrowers: borrowers.map((pid) => payload(deviceOf(read(pid), 'radio').received)),
  };
}

/** Samples from now on until it is disposed of, or one of the processes has ended. */
export class LineSamples implements Disposable {
  readonly #samples: LineSample[] = [];
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout;
  #failure: unknown;

  /** `lender` and `borrowers`: ids of processes in the routers' namespaces. `isTun`: the line is a TUN device, without Ethernet. */
  constructor(lender: number, borrowers: readonly number[], isTun: boolean) {
    const sample = (): void => {
      this.#samples.push({ ms: this.now, ...look(lender, borrowers, isTun) });
    };
    sample();
    this.#timer = setInterval(() => {
      try {
        sample();
      } catch (error) {
        // Thrown from here it would end the lab with all that it has made; who asks for the samples has it.
        this.#failure = error;
        clearInterval(this.#timer);
      }
    }, SAMPLE_MS);
  }

  /** @throws LabError when a household's process ended before the samples did */
  get samples(): readonly LineSample[] {
    if (this.#failure === undefined) return this.#samples;
    throw new LabError('The line of a household could not be looked at: its daemon has ended.', {
      cause: this.#failure,
    });
  }

  /** Since it began. */
  get now(): Milliseconds {
    return performance.now() - this.#began;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
