/**
 * Counting what is carried under a lease, as the borrower sees it. The lanes over neighbours' lines wrap their handlers in
 * this; tunnels count by themselves. What is counted is what the lender counts: the body of a 206, the payload of a tunnel.
 */
import type { Dispatcher } from 'undici';
import type { Bytes } from '../core/units.ts';

/** One transfer under a lease; it lasts until it is disposed of, which may be done more than once. */
export interface LeaseMeter extends Disposable {
  /** So many bytes came from the lender. */
  down(bytes: Bytes): void;
  /** So many were sent to it. */
  up(bytes: Bytes): void;
}

type Told<K extends keyof Dispatcher.DispatchHandler> = Parameters<
  NonNullable<Dispatcher.DispatchHandler[K]>
>;

/** Hands on what comes to a handler, and counts the body of a span before. */
export class Metered implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #meter: LeaseMeter;
  #isSpan = false;

  constructor(handler: Dispatcher.DispatchHandler, meter: LeaseMeter) {
    this.#handler = handler;
    this.#meter = meter;
  }

  onRequestStart(...told: Told<'onRequestStart'>): void {
    this.#handler.onRequestStart?.(...told);
  }

  onResponseStart(...told: Told<'onResponseStart'>): void {
    this.#isSpan = told[1] === 206;
    this.#handler.onResponseStart?.(...told);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSpan) this.#meter.down(chunk.length);
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(...told: Told<'onResponseEnd'>): void {
    this.#meter[Symbol.dispose]();
    this.#handler.onResponseEnd?.(...told);
  }

  onResponseError(...told: Told<'onResponseError'>): void {
    this.#meter[Symbol.dispose]();
    this.#handler.onResponseError?.(...told);
  }
}
