/**
 * A download: the one effectful loop. It feeds the plan with what happens and does what the plan commands: requests
 * over lanes, bytes into the sink. The proxy makes one for each pooled response, `get` one for each file.
 * It must never decide which span goes where (the plan does), nor write a byte twice, nor outlive its end.
 *
 *     running response ─┐
 *     lanes ──spans──►  received? ──fresh bytes──► sink ──moved──► plan ──ask, stop──► lanes
 */
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { EMPTY, lengthOf } from '../core/span.ts';
import { formatOrigin } from '../core/target.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { OWN, type Path, type PathId } from '../paths/path.ts';
import { endedEvent, planOf, startedEvent } from './beginning.ts';
import type { DownloadOptions, Ended, RunningFeed, RunningResponse } from './contract.ts';
import { failedPath, isOneTooMany, judge } from './failure.ts';
import { Guard } from './integrity/guard.ts';
import { Lanes } from './lanes.ts';
import { LeftOut } from './left-out.ts';
import { type LineView, linesOf } from './line-view.ts';
import { step } from './plan.ts';
import type { AskId, PlanCommand, PlanEvent, PlanState } from './plan-state.ts';
import { isResting, pathOf, rateOf } from './plan-state.ts';
import { Received } from './received.ts';
import { changedPaths, joiningOf } from './usable.ts';

const TICK_MS: Milliseconds = 20;
/** How often it is looked whether a path that was left out may be used again. */
const AGAIN_MS: Milliseconds = 1_000;
/** The plan hears of the client's progress in steps of at least this. */
const MOVE_STEP: Bytes = 65_536;
/** In place of an ask: the running response. */
const RUNNING: AskId = -1;

export class Download {
  readonly id: string;
  readonly options: DownloadOptions;
  readonly startedAt: Milliseconds;
  readonly ended: Promise<Ended>;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #began: Milliseconds;
  readonly #resolve: (ended: Ended) => void;
  readonly #lanes: Lanes;
  readonly #names = new Map<PathId, string>();
  readonly #out = new LeftOut();
  readonly #queue: PlanEvent[] = [];
  readonly #stack = new DisposableStack();
  #draining = false;
  #plan: PlanState;
  readonly #received: Received;
  readonly #guard: Guard | undefined;
  #running: { readonly response: RunningResponse; at: Bytes; paused: boolean } | undefined;
  #toldDelivered: Bytes;
  #heardAt: Milliseconds;
  #end: { readonly ended: Ended; readonly at: Milliseconds } | undefined;
  /** What the origin last said or did that explains why no path is left. */
  #why: LinepoolError | undefined;

  constructor(options: DownloadOptions, shell: { readonly clock: Clock; readonly events: Events }) {
    this.id = options.id;
    this.options = options;
    this.#clock = shell.clock;
    this.#events = shell.events;
    this.#began = shell.clock.now();
    this.#heardAt = this.#began;
    this.startedAt = shell.clock.wall();
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#lanes = new Lanes(
      options,
      {
        proven: (path) => this.#tell({ kind: 'proven', path }),
        came: (path, id, chunk) => this.#guard?.came(path, id, chunk),
        data: (path, id, offset, chunk) => this.#receive(path, offset, chunk, id),
        over: (path, id, how) => this.#guard?.over(path, id, how),
        ended: (path, id) => this.#tell({ kind: 'ended', path, id }),
        failed: (path, id, some, error, waitMs) => this.#failed(path, id, some, error, waitMs),
      },
      (offset) => this.#end !== undefined || options.sink.accepts(offset),
      shell.clock,
    );
    this.#received = new Received(options.whole, options.have ?? EMPTY);
    this.#guard = this.#openGuard();
    this.#toldDelivered = options.whole.start;
    this.#plan = planOf(options, undefined, this.#began);
  }

  /** Begins with a response that is running already: its bytes are fed in from now on. */
  adopt(response: RunningResponse): RunningFeed {
    this.#running = { response, at: this.options.whole.start, paused: false };
    this.#plan = planOf(this.options, response, this.#began);
    this.start();
    return {
      data: (chunk) => this.#ran(chunk),
      end: () => this.#runEnded(new LinepoolError('response_incomplete')),
      fail: (error) => this.#runEnded(asLinepoolError(error)),
    };
  }

  /** Nobody wants it any more: every fetch is stopped now. */
  abandon(): void {
    this.#finish({ outcome: 'abandoned' });
  }

  /** Fails it from outside, such as when its sink can take no more. */
  fail(error: LinepoolError): void {
    this.#finish({ outcome: 'failed', error });
  }

  /** All bytes came, and they are wrong: it has failed after all, and who altered something is looked for. */
  refute(error: LinepoolError): void {
    if (this.#end?.ended.outcome !== 'complete') return;
    this.#end = { ...this.#end, ended: { outcome: 'failed', error } };
    this.#events.report({ kind: 'download_refuted', download: this.id, code: error.code });
    this.#guard?.audit(error);
  }

  get bytesTwice(): Bytes {
    return this.#received.twice;
  }

  /** Bytes that are here, those that were there before included. */
  get receivedBytes(): Bytes {
    return lengthOf(this.options.whole) - this.#received.missing;
  }

  /** How long it has taken so far, or took. */
  get ms(): Milliseconds {
    return (this.#end?.at ?? this.#clock.now()) - this.#began;
  }

  get end(): Ended | undefined {
    return this.#end?.ended;
  }

  /** What a path brings as far as this download measured it; undefined when it never was busy. */
  measured(id: PathId): BytesPerSecond | undefined {
    const path = pathOf(this.#plan, id);
    return path === undefined || path.flow.slots.length === 0 ? undefined : rateOf(path);
  }

  /** What each path brought, what it brings now, and what it was asked for. */
  lines(): readonly LineView[] {
    return linesOf(this.#plan, this.#received.by, this.#names, this.#end !== undefined);
  }

  /** Begins with nothing running. */
  start(): void {
    const { paths, sink } = this.options;
    this.#names.set(OWN, paths.own.name);
    if (this.#received.missing === 0) {
      this.#finish({ outcome: 'complete' });
      return;
    }
    sink.onMove(() => this.#moved());
    this.#stack.use(paths.onChange(() => this.#pathsChanged()));
    this.#stack.use(this.#clock.every(TICK_MS, () => this.#tick()));
    // That a path is left out no longer is told by nobody.
    this.#stack.use(this.#clock.every(AGAIN_MS, () => this.#pathsChanged()));
    this.#pathsChanged();
    this.#events.report(startedEvent(this.id, this.options, this.#plan));
  }

  #pathsChanged(): void {
    const isOut = (id: PathId): boolean => this.#out.has(id, this.#clock.now());
    const { leaving, joining } = changedPaths(this.options, this.#plan, isOut);
    for (const path of leaving) this.#tell({ kind: 'left', path });
    if (joining.length === 0) return;
    for (const path of joining) this.#names.set(path.id, path.name);
    const latencyMs = this.#running?.response.latencyMs;
    this.#tell({
      kind: 'joined',
      paths: joining.map((path) => joiningOf(path, this.options.ownRate, latencyMs)),
    });
  }

  #openGuard(): Guard | undefined {
    const { integrity, memory } = this.options;
    if (integrity === undefined) return undefined;
    return new Guard(this.options, integrity, this.#clock, {
      leave: (path, error, forMs) => {
        this.#reportFailed(path, error);
        if (forMs > 0) memory.leaveOut(path, error.code, forMs, error.detail);
        this.#out.add(path, error.code);
        this.#tell({ kind: 'left', path });
      },
      lost: (path, spans) => {
        this.#received.forget(path, spans);
        this.#tell({ kind: 'lost', spans });
        if (this.#received.missing === 0) this.#guard?.close();
      },
      fail: (error) => this.fail(error),
      settled: () => {
        if (this.#received.missing === 0) this.#finish({ outcome: 'complete' });
      },
    });
  }

  #pathById(id: PathId): Path | undefined {
    const { own } = this.options.paths;
    return id === own.id ? own : this.options.paths.neighbours().find((path) => path.id === id);
  }

  // What happens

  #ran(chunk: Buffer): void {
    const running = this.#running;
    if (running === undefined || this.#end !== undefined) return;
    const offset = running.at;
    // The response may go on beyond what is wanted of it: `get` resumes with it what has gaps.
    const part = chunk.subarray(0, this.options.whole.end - offset);
    running.at += part.length;
    this.#receive(OWN, offset, part);
    if (this.#end !== undefined) return;
    this.#tell({ kind: 'ran', at: running.at });
    if (this.#running === running && !this.options.sink.accepts(running.at)) {
      running.paused = true;
      running.response.controller.pause();
    }
  }

  #runEnded(error: LinepoolError): void {
    if (this.#running === undefined || this.#end !== undefined) return;
    this.#running = undefined;
    this.#reportFailed(OWN, error);
    if (isOneTooMany(this.#out.why(OWN))) {
      this.#out.forgive(OWN);
      this.#pathsChanged();
    }
    this.#tell({ kind: 'run_failed' });
  }

  #tick(): void {
    const now = this.#clock.now();
    if (this.#isHeld) this.#heardAt = now;
    if (this.#lanes.isPaused) return;
    if (now - this.#heardAt > this.options.silenceTimeout) {
      this.fail(new LinepoolError('response_timeout'));
      return;
    }
    this.#noteMove();
    this.#tell({ kind: 'tick' });
  }

  /** A sink that pushes back, or has what it takes for now, makes every path silent: that is not their fault. */
  get #isHeld(): boolean {
    const { isPaused } = this.#lanes;
    return (
      isPaused || this.#running?.paused === true || isResting(this.#plan) || this.#received.missing === 0
    );
  }

  #moved(): void {
    const { sink } = this.options;
    this.#lanes.resume();
    const running = this.#running;
    if (running?.paused === true && sink.accepts(running.at)) {
      running.paused = false;
      running.response.controller.resume();
    }
    if (sink.delivered - this.#toldDelivered >= MOVE_STEP) this.#noteMove();
  }

  #noteMove(): void {
    const { delivered, horizon } = this.options.sink;
    if (delivered === this.#plan.delivered && horizon === this.#plan.horizon) return;
    this.#toldDelivered = delivered;
    this.#tell({ kind: 'moved', delivered, horizon });
  }

  /** Only what is new goes on to the sink; the rest came over two paths. */
  #receive(path: PathId, offset: Bytes, chunk: Buffer, id: AskId = RUNNING): void {
    this.#heardAt = this.#clock.now();
    if (id !== RUNNING && this.#guard?.counts(path, id) === false) return;
    for (const part of this.#received.take(path, offset, chunk.length)) {
      const backing = path === OWN ? 'sure' : (this.#guard?.writes(path, id, part) ?? 'trusted');
      this.options.sink.write(part.start, chunk.subarray(part.start - offset, part.end - offset), backing);
    }
    if (this.#received.missing === 0) {
      this.#guard?.close();
      if (this.#guard?.isSettled !== false) this.#finish({ outcome: 'complete' });
    } else if (this.options.sink.delivered - this.#toldDelivered >= MOVE_STEP) this.#noteMove();
  }

  #failed(
    path: PathId,
    id: AskId,
    broughtSome: boolean,
    failed: LinepoolError,
    waitMs: Milliseconds | undefined,
  ): void {
    if (this.#end !== undefined) return;
    const { target, memory } = this.options;
    const running = this.#running !== undefined;
    const which = failedPath(pathOf(this.#plan, path), path, broughtSome, running);
    const { error, next, forMs, restMs } = judge(failed, waitMs, which);
    const { code, detail } = error;
    this.#reportFailed(path, error);
    if (code === 'origin_busy' || code === 'connect_refused') this.#why = error;
    if (forMs > 0) {
      memory.leaveOut(path, code, forMs, detail);
      this.#events.report({ kind: 'path_out', path, origin: formatOrigin(target.origin), code, forMs });
    }
    if (next === 'out') this.#out.add(path, code, this.#clock.now() + forMs);
    if (path === OWN && !running && code === 'span_validator') {
      this.fail(new LinepoolError('origin_changed'));
      return;
    }
    this.#pathById(path)?.refused?.(target.origin, code);
    this.#tell({ kind: 'failed', path, id, next, restMs });
    // What was asked of several lines may mean all.
    if (code === 'origin_busy') this.#pathsChanged();
  }

  #reportFailed(path: PathId, { code, detail }: LinepoolError): void {
    this.#events.report({ kind: 'span_failed', download: this.id, path, code, detail });
  }

  // What the plan says

  /** Events are handled one after the other, also those that a command causes at once. */
  #tell(event: PlanEvent): void {
    this.#queue.push(event);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        if (this.#end !== undefined) break;
        const now = this.#clock.now();
        if (next.kind !== 'ran') this.#tellProgress(now);
        const { state, commands } = step(this.#plan, next, now);
        this.#plan = state;
        for (const command of commands) this.#obey(command);
        // What the plan took from the path at once, without a word about each span.
        if (next.kind === 'failed' || next.kind === 'left') {
          this.#lanes.keepOnly(next.path, pathOf(this.#plan, next.path)?.asks.map((ask) => ask.id) ?? []);
        }
      }
    } finally {
      this.#draining = false;
    }
  }

  /** The plan must know how far every span is before it moves one. */
  #tellProgress(now: Milliseconds): void {
    for (const path of this.#plan.paths) {
      for (const ask of path.asks) {
        const at = this.#lanes.at(path.id, ask.id);
        if (at === undefined || at <= ask.at) continue;
        this.#plan = step(this.#plan, { kind: 'progress', path: path.id, id: ask.id, at }, now).state;
      }
    }
  }

  #obey(command: PlanCommand): void {
    if (this.#end !== undefined) return;
    switch (command.kind) {
      case 'ask': {
        const path = this.#pathById(command.path);
        if (path === undefined) this.#queue.push({ kind: 'left', path: command.path });
        else {
          const lap = this.#guard?.asked(path, command.id, command.span);
          this.#lanes.ask(path, command.id, command.span, this.#received.missing, lap);
        }
        return;
      }
      case 'stop':
        this.#lanes.stop(command.path, command.id, command.at);
        return;
      case 'stop_running': {
        const running = this.#running;
        this.#running = undefined;
        running?.response.controller.abort(new LinepoolError('interrupted', 'others bring what comes next'));
        return;
      }
      case 'give_up':
        this.fail(this.#why ?? new LinepoolError('no_path'));
        return;
    }
  }

  #finish(ended: Ended): void {
    if (this.#end !== undefined) return;
    this.#end = { ended, at: this.#clock.now() };
    this.#stack.dispose();
    const running = this.#running;
    this.#running = undefined;
    const reason = new LinepoolError('interrupted', 'the download has ended');
    this.#lanes.destroy(reason);
    this.#guard?.end(ended.outcome);
    if (running !== undefined && running.at < this.options.whole.end)
      running.response.controller.abort(reason);
    this.#events.report(endedEvent(this.id, ended, this.ms, this.#received, this.options.sink));
    this.#resolve(ended);
  }
}
