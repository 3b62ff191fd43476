/**
 * A connection that is made before it is needed: whoever needs it first takes it, made or still in the making.
 * It must never outlive its time unused.
 *
 *     making ──made──► ready ──take──► taken
 *        └──take──► waited for ──made──►┘       failed, too old, disposed of ──► closed
 */
import type { buildConnector } from 'undici';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';

/** Servers close what is silent for some seconds; what is older is not worth trying. */
export const READY_MS: Milliseconds = 4_000;

type Made = Parameters<buildConnector.Callback>;
type State =
  | { readonly kind: 'making' }
  | { readonly kind: 'made'; readonly made: Made }
  | { readonly kind: 'waited'; readonly taker: buildConnector.Callback }
  | { readonly kind: 'over' };

export class ReadyConnection implements Disposable {
  readonly origin: string;
  readonly #over: () => void;
  readonly #timer: Disposable;
  #state: State = { kind: 'making' };

  /** `over` is called when it is taken or closed. */
  constructor(origin: string, clock: Clock, over: () => void) {
    this.origin = origin;
    this.#over = over;
    this.#timer = clock.after(READY_MS, () => this[Symbol.dispose]());
  }

  /** What the connector calls back with. */
  readonly settle = (...made: Made): void => {
    const state = this.#state;
    switch (state.kind) {
      case 'making':
        this.#state = { kind: 'made', made };
        // It may be closed by the other side before anybody takes it: then there is nothing to take.
        made[1]?.once('close', () => {
          if (this.#state.kind === 'made') this[Symbol.dispose]();
        });
        if (made[1] === null) this[Symbol.dispose]();
        return;
      case 'waited':
        this.#state = { kind: 'over' };
        state.taker(...made);
        return;
      case 'made':
      case 'over':
        made[1]?.destroy();
    }
  };

  /** Hands it over, now or as soon as it is made. Only once. */
  take(taker: buildConnector.Callback): void {
    this.#timer[Symbol.dispose]();
    const state = this.#state;
    this.#over();
    if (state.kind === 'making') this.#state = { kind: 'waited', taker };
    else {
      this.#state = { kind: 'over' };
      const made: Made = state.kind === 'made' ? state.made : [new LinepoolError('connection_lost'), null];
      // undici waits for ever for a connection that is there before its own call has returned.
      queueMicrotask(() => taker(...made));
    }
  }

  [Symbol.dispose](): void {
    const state = this.#state;
    if (state.kind === 'over' || state.kind === 'waited') return;
    this.#timer[Symbol.dispose]();
    this.#state = { kind: 'over' };
    this.#over();
    if (state.kind === 'made') state.made[1]?.destroy();
  }
}
