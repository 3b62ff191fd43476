/**
 * The demo's own processes, seen from inside: the origin, and the lines of all households. A hidden
 * subcommand starts them; they take one message with their orders, answer when they are ready, and end when the process
 * that started them is gone.
 *
 *     demo ── { kind: 'start', … } ──► process      demo ◄── { kind: 'ready', … } or { kind: 'failed', … }
 */
import { rmSync } from 'node:fs';
import { systemClock } from '../core/clock.ts';
import { type Bytes, type Milliseconds, PACKET_OVERHEAD } from '../core/units.ts';
import { type Line, type LineOptions, type Shape, startLine } from './line.ts';

/** The name that the certificate is for, and that every household resolves to its own line. */
export const ORIGIN_HOST = 'origin.demo';

/** Where an origin listens. */
export interface OriginPorts {
  readonly http: number;
  readonly https: number;
}

/** One household's line: where it listens, and to which origin it leads. */
export interface LineOrder extends Pick<Shape, 'down' | 'up' | 'delay'> {
  readonly host: string;
  readonly to: OriginPorts;
}

export type ToProcess =
  | { readonly kind: 'start-origin' }
  | { readonly kind: 'start-lines'; readonly lines: readonly LineOrder[] }
  | { readonly kind: 'reshape'; readonly line: number; readonly change: Partial<Shape> }
  /** What to end and to remove when the process that started us is gone without doing it. */
  | { readonly kind: 'guard'; readonly pids: readonly number[]; readonly folder: string };

export type FromProcess =
  | { readonly kind: 'origin-ready'; readonly ports: OriginPorts; readonly ca: string }
  | { readonly kind: 'lines-ready'; readonly ports: OriginPorts }
  | { readonly kind: 'carried'; readonly downBytes: readonly Bytes[] }
  | { readonly kind: 'failed'; readonly why: string };

const LOOPBACK = '127.0.0.1';
const CARRIED_EVERY_MS: Milliseconds = 100;
/** Free ports on one address may be taken on another. */
const PORT_TRIES = 20;

/** Serves orders until the parent goes or says SIGTERM. */
export function serveOrders(): void {
  const send = (message: FromProcess): void => {
    process.send?.(message);
  };
  const lines: Line[] = [];
  let guard: Extract<ToProcess, { kind: 'guard' }> | undefined;
  const obey = async (order: ToProcess): Promise<void> => {
    switch (order.kind) {
      case 'start-origin':
        send(await openOrigin());
        return;
      case 'start-lines':
        lines.push(...(await openLines(order.lines)));
        send({ kind: 'lines-ready', ports: portsOf(lines[0]) });
        systemClock.every(CARRIED_EVERY_MS, () =>
          send({ kind: 'carried', downBytes: lines.map((line) => line.downBytes) }),
        );
        return;
      case 'reshape':
        lines[order.line]?.reshape(inPayload(order.change));
        return;
      case 'guard':
        guard = order;
        return;
    }
  };
  process.on('message', (order: ToProcess) => {
    obey(order).catch((error: Error) => send({ kind: 'failed', why: error.message }));
  });
  // Ctrl-C reaches the whole group of processes: the parent ends us when it has no more use for us.
  process.on('SIGINT', () => undefined);
  process.once('SIGTERM', () => process.exit(0));
  process.once('disconnect', () => {
    if (guard !== undefined) clearUp(guard.pids, guard.folder);
    process.exit(0);
  });
}

/** In place of a process that was killed: ends what it had started, and removes its files. */
function clearUp(pids: readonly number[], folder: string): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // It has ended already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  rmSync(folder, { recursive: true, force: true });
}

async function openOrigin(): Promise<FromProcess> {
  const [{ makeAuthority }, { startOrigin }] = await Promise.all([
    import('./certificate.ts'),
    import('./origin.ts'),
  ]);
  const authority = await makeAuthority(systemClock);
  const tls = await authority.issue([ORIGIN_HOST, LOOPBACK]);
  const http = await startOrigin({ clock: systemClock });
  const https = await startOrigin({ clock: systemClock, tls });
  return { kind: 'origin-ready', ports: { http: http.port, https: https.port }, ca: authority.ca };
}

const portsOf = (line: Line | undefined): OriginPorts => ({
  http: line?.listening[0]?.port ?? 0,
  https: line?.listening[1]?.port ?? 0,
});

/** All lines on the same two ports of their own addresses, so that one URL fits every household. */
async function openLines(orders: readonly LineOrder[]): Promise<Line[]> {
  for (let tries = 1; ; tries += 1) {
    const lines: Line[] = [];
    try {
      let ports: OriginPorts = { http: 0, https: 0 };
      for (const order of orders) {
        const line = await startLine(lineOptions(order, ports));
        lines.push(line);
        ports = portsOf(line);
      }
      return lines;
    } catch (error) {
      for (const line of lines) await line[Symbol.asyncDispose]();
      if (tries === PORT_TRIES || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** A household's line carries packets at its rate, as lines do; ours in user space sees only what is in them. */
function inPayload<S extends Partial<Pick<Shape, 'down' | 'up'>>>(shape: S): S {
  const { down, up } = shape;
  return {
    ...shape,
    ...(down === undefined ? {} : { down: down / PACKET_OVERHEAD }),
    ...(up === undefined ? {} : { up: up / PACKET_OVERHEAD }),
  };
}

function lineOptions({ host, to, down, up, delay }: LineOrder, at: OriginPorts): LineOptions {
  const route = (scheme: 'http' | 'https'): LineOptions['routes'][number] => ({
    listen: { host, port: at[scheme] },
    to: { host: LOOPBACK, port: to[scheme] },
  });
  return { clock: systemClock, ...inPayload({ down, up }), delay, routes: [route('http'), route('https')] };
}
