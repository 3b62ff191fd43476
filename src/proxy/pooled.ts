/**
 * Pooled responses: asked about every response head, gives the verdict, and takes over those that pay. The running
 * response becomes the first span of a download whose window writes to the client.
 * It must never touch a response that passes, nor let a failed download look complete.
 *
 *     Exchange ──Consider──► verdict ──pass──► undefined
 *                               └────pool──► Download ──► Window ──► client's response
 */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { RawHeaders } from '../core/http.ts';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Integrity, PathMemory, PathSource } from '../download/contract.ts';
import { Download } from '../download/download.ts';
import { digestOf } from '../download/integrity/digests.ts';
import { type OriginSeats, type Place, seated } from '../download/origin-seats.ts';
import type { PlanSettings } from '../download/plan-state.ts';
import type { Register } from '../download/register.ts';
import { hasCredentials, type Pool, verdict } from '../download/verdict.ts';
import { Window, type WindowBudget } from '../download/window.ts';
import type { Health } from '../paths/health.ts';
import type { OwnLine } from '../paths/own-line.ts';
import { OWN, type Path } from '../paths/path.ts';
import { clientOf, Refuted } from './refuted.ts';
import type { Consider, ResponseHead, Takeover } from './takeover.ts';
import { HELD_BACK_BYTES, type WholeCheck, wholeCheck } from './whole-check.ts';

export interface PoolingOptions {
  readonly enabled: boolean;
  readonly minBytes: Bytes;
  readonly minSavingMs: Milliseconds;
  readonly settings: PlanSettings;
  /** Longest time in which no byte comes from anywhere. */
  readonly silenceTimeout: Milliseconds;
}

export interface PoolingRooms {
  readonly clock: Clock;
  readonly events: Events;
  readonly budget: WindowBudget;
  readonly ownLine: OwnLine;
  readonly neighbours: Pick<PathSource, 'neighbours' | 'onChange'>;
  readonly health: Health;
  readonly seats: OriginSeats;
  readonly register: Register;
  /** How what checked neighbours bring is checked. */
  readonly integrity?: Integrity;
}

/** Of a client's request, these are about one message or one part; a request for a span has its own. */
const NOT_FOR_SPANS = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'accept-encoding',
  'expect',
  'content-length',
  'content-type',
]);

export function spanHeaders(headers: RawHeaders): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (!NOT_FOR_SPANS.has(name.toLowerCase())) out.push(name, headers[i + 1] ?? '');
  }
  return out;
}

/** What the proxy asks. */
export interface Pooling {
  readonly consider: Consider;
  readonly refuted: Refuted;
}

export function pooling(options: PoolingOptions, rooms: PoolingRooms): Pooling {
  const refuted = new Refuted(rooms.clock);
  const consider: Consider = (head) => {
    const { health } = rooms;
    const { origin: server } = head.target;
    const carrying = carryingFor(head, rooms.neighbours);
    const offering = carrying.filter(isOffering);
    const isUsable = ({ id }: Path): boolean => health.leftOutFor(id, server) === undefined;
    const result = verdict({
      memory: rooms.budget.hasRoom,
      method: head.method,
      scheme: head.target.origin.scheme,
      requestHeaders: head.requestHeaders,
      status: head.status,
      headers: head.headers,
      enabled: options.enabled,
      minBytes: options.minBytes,
      minSavingMs: options.minSavingMs,
      ownRate: rooms.ownLine.down,
      offered: offering.filter(isUsable).reduce((sum, path) => sum + (path.offer()?.bytesPerSecond ?? 0), 0),
      mayOffer: carrying.some(isUsable),
      roomAtOrigin: rooms.seats.hasRoom(server),
      refusal: health.refusal(
        server,
        offering.map(({ id }) => id),
      ),
    });
    const origin = formatOrigin(server);
    const bytes = result.pool ? result.span.end - result.span.start : result.bytes;
    rooms.register.note({ at: rooms.clock.wall(), origin, pool: result.pool, reason: result.reason, bytes });
    // Small responses are most of what a household loads: an event for each would drown the others.
    if (result.pool || (bytes ?? 0) >= options.minBytes) {
      rooms.events.report({ kind: 'verdict', origin, pool: result.pool, reason: result.reason, bytes });
    }
    return result.pool ? takeOver(head, result, options, { ...rooms, refuted }) : undefined;
  };
  return { consider, refuted };
}

/** The neighbours that could carry it, should they offer something. */
function carryingFor(
  { target, requestHeaders }: ResponseHead,
  neighbours: PoolingRooms['neighbours'],
): readonly Path[] {
  const request = { credentials: hasCredentials(requestHeaders) };
  return neighbours.neighbours().filter((path) => path.carries(target.origin, request));
}

const isOffering = (path: Path): boolean => (path.offer()?.bytesPerSecond ?? 0) > 0;

/** What downloads remember of an origin beyond their end. */
function memoryOf(
  health: Health,
  origin: Origin,
  place: Place,
  neighbours: () => readonly Path[],
): PathMemory {
  return {
    isLeftOut: (path) =>
      !place.has(path) ||
      health.leftOutFor(path, origin) !== undefined ||
      health.isWide(
        origin,
        neighbours().map(({ id }) => id),
      ),
    leaveOut: (path, code, forMs, detail) => health.leaveOut(path, origin, code, forMs, detail),
  };
}

function takeOver(
  head: ResponseHead,
  pool: Pool,
  options: PoolingOptions,
  rooms: PoolingRooms & Pick<Pooling, 'refuted'>,
): Takeover {
  const { ownLine, neighbours, health, budget, register, clock, events } = rooms;
  const { origin } = head.target;
  const client = clientOf(head.response.req);
  const { span, total } = pool;
  // Whoever is not checked costs nothing to check.
  const checked = neighbours.neighbours().some((path) => path.isChecked?.(origin) === true);
  const isWhole = span.start === 0 && span.end === total;
  const check = wholeCheck(checked ? digestOf(head.headers, { content: true, whole: isWhole }) : undefined);
  const window = new Window(head.response, budget.join(), span, {
    // Always: a neighbour may come to be one that is checked while it runs.
    heldBack: HELD_BACK_BYTES,
    passing: check.passing,
  });
  const place = rooms.seats.join(origin, () =>
    carryingFor(head, neighbours)
      .filter((path) => isOffering(path) && health.leftOutFor(path.id, origin) === undefined)
      .map(({ id }) => id),
  );
  const download = new Download(
    {
      id: randomUUID(),
      target: head.target,
      total: pool.total,
      whole: pool.span,
      validator: pool.validator,
      ownHeaders: spanHeaders(head.requestHeaders),
      neighbourHeaders: [],
      credentials: hasCredentials(head.requestHeaders),
      settings: options.settings,
      sink: window,
      paths: seated(
        place,
        {
          own: ownLine.within(head.permit),
          neighbours: () => neighbours.neighbours(),
          onChange: (listener) => neighbours.onChange(listener),
        },
        clock,
      ),
      memory: memoryOf(health, origin, place, () => neighbours.neighbours()),
      ownRate: ownLine.down,
      ...(rooms.integrity && { integrity: rooms.integrity }),
      silenceTimeout: options.silenceTimeout,
    },
    { clock, events },
  );
  void download.ended.then(() => place[Symbol.dispose]());
  const delivered = deliver(download, window, head.response, check, (error) => {
    rooms.refuted.note(client, head.target, error);
  });
  register.add(download, pool.reason, delivered);
  const feed = download.adopt({ controller: head.controller, latencyMs: head.waitedMs });
  void delivered.then(() => {
    const measured = download.measured(OWN);
    if (measured !== undefined) ownLine.learn(measured);
  });
  return feed;
}

/** Ends the client's response as the download ended; resolves when nothing of it is left. */
async function deliver(
  download: Download,
  window: Window,
  response: ServerResponse,
  check: WholeCheck,
  broken: (error: LinepoolError) => void,
): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    response.once('close', () => {
      download.abandon();
      resolve();
    });
  });
  const ended = await download.ended;
  if (ended.outcome === 'complete') {
    // What came over the own line alone is the server's, whatever it says of it: as if it had passed through.
    const isOwn = download.lines().every(({ id, bytes }) => id === OWN || bytes === 0);
    window.whenHandedOver(() => {
      const holds = check.holds(window.heldBack());
      if (isOwn || holds) {
        window.release();
        window.whenHandedOver(() => response.end());
      } else {
        const error = new LinepoolError('digest_mismatch');
        broken(error);
        download.refute(error);
        response.destroy();
      }
    });
    await gone;
  } else if (ended.outcome === 'failed') {
    // What the client has is a truncated body, and it must look like one.
    broken(ended.error);
    response.destroy();
  }
  window.close();
}
