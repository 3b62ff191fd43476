/**
 * What changes while a download runs: faults at their times, and lines whose rate follows a trace. Used by run.ts.
 */
import type { Milliseconds } from '../src/core/units.ts';
import { type Neighbourhood, wireOf } from './neighbourhood.ts';
import type { Fault, PoolScheme } from './scenario.ts';

/** Plays from now on until it is disposed of; what went wrong while it did is thrown then. */
export class Weather implements AsyncDisposable {
  readonly #neighbourhood: Neighbourhood;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #acts: Promise<void>[] = [];

  private constructor(neighbourhood: Neighbourhood) {
    this.#neighbourhood = neighbourhood;
  }

  static async begin(
    neighbourhood: Neighbourhood,
    faults: readonly Fault[],
    scheme: PoolScheme = 'adaptive',
  ): Promise<Weather> {
    const weather = new Weather(neighbourhood);
    await neighbourhood.restore();
    for (const fault of faults) weather.#at(fault.at, () => weather.#strike(fault, scheme));
    for (const [i, { trace }] of neighbourhood.scenario.lines.entries())
      if (trace !== undefined) weather.#follow(`${wireOf(i + 1)}.down`, trace.every, trace.down);
    return weather;
  }

  #at(ms: Milliseconds, act: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const acting = act();
      // Awaited at the end; until then nobody is there to catch it.
      acting.catch(() => undefined);
      this.#acts.push(acting);
    }, ms);
    this.#timers.add(timer);
  }

  #follow(way: string, every: Milliseconds, rates: readonly number[]): void {
    const began = performance.now();
    const next = (n: number): void =>
      this.#at(Math.max(0, began + n * every - performance.now()), async () => {
        next(n + 1);
        await this.#neighbourhood.wires.shape(way, { rate: rates[n % rates.length] ?? 0 });
      });
    next(1);
  }

  async #strike(fault: Fault, scheme: PoolScheme): Promise<void> {
    const household = this.#neighbourhood.household(fault.household);
    const wire = wireOf(fault.household);
    switch (fault.kind) {
      case 'vanish':
        return await household.kill();
      case 'stall':
        return await this.#neighbourhood.wires.stall(wire);
      case 'slow':
        return await this.#neighbourhood.wires.shape(`${wire}.down`, { rate: fault.down });
      case 'join':
        return await household.up(scheme);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#acts);
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
