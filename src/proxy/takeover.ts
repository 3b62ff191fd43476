/**
 * The seam between forwarding and pooling: what is known when the head of a response is there, and what may
 * take its body over. forward.ts asks; pooled.ts answers. This file holds types only.
 *
 *     origin ──head──► Exchange ──Consider──► undefined: the body passes through
 *                                        └──► Takeover:  data, end, fail go there; the client's response is its own
 */
import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { RawHeaders } from '../core/http.ts';
import type { Target } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Permit } from '../paths/dial.ts';

/** What is known when the head of a response is there and nothing of its body was passed on. */
export interface ResponseHead {
  readonly target: Target;
  /** As sent to the origin: end-to-end, without Host, our Via last. */
  readonly requestHeaders: RawHeaders;
  readonly method: string;
  readonly status: number;
  /** As received: end-to-end, without our Via. */
  readonly headers: RawHeaders;
  /** From the request to this head. */
  readonly waitedMs: Milliseconds;
  /** What this client may be led to; holds for further requests on its behalf too. */
  readonly permit: Permit;
  readonly controller: Dispatcher.DispatchController;
  /** Its head is written already; the body and the end are not. */
  readonly response: ServerResponse;
}

/** Takes over a running response: from now on its body goes here, and the client's response is the taker's to write and end. */
export interface Takeover {
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

/** Asked once per final response (status >= 200); undefined means: pass it through. Must be quick and must not throw. */
export type Consider = (head: ResponseHead) => Takeover | undefined;
