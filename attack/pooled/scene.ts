/**
 * Two neighbours that pool: real daemons, really paired, each with the same files at the end of its line. The borrower's line is slow and
 * the lender's is fast, so that most of a download comes over the lender. For attacks on what both have on record of it.
 *
 *     client ─► borrower's daemon ─┬─ own line ────────────────► origin (127.0.0.1)
 *                                  └─ link ─► lender's daemon ─► origin (127.0.0.2), whose bytes are counted
 */
import { join } from 'node:path';
import type { Download } from '../../src/control/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import { type Answer, type Asked, answerFile } from '../../src/demo/answer.ts';
import { fetchPlain } from '../../src/demo/fetch.ts';
import type { Household } from '../../src/demo/household.ts';
import { pair, untilOffered } from '../../src/demo/neighbourhood.ts';
import { type Exchange, startOrigin } from '../../src/demo/origin.ts';
import { type Patience, waitUntil } from '../../src/demo/wait.ts';
import { OWN } from '../../src/paths/path.ts';
import { freePort } from '../../test/support/free-port.ts';
import { connectionsAt, TCP_STATE } from '../../test/support/household.ts';
import { AttackError } from '../attack.ts';
import { startHouseholds, temporaryFolder } from '../households.ts';

const HOME = '127.0.0.1';
const AWAY = '127.0.0.2';
/** Of each connection to an origin; the lines are said to carry as much. */
const OWN_RATE: BytesPerSecond = 1e6;
const LENT_RATE: BytesPerSecond = 24e6;
/** More than comes before a download is cut. Each is of a file that is longer by one than the one before, so that it is told from others. */
const FILE_BYTES: Bytes = 100_000_000;
const BOUND_MS: Milliseconds = 15_000;

export interface SceneOptions {
  /** Downloads that are going to be made at most. */
  readonly downloads: number;
  /** What their processes load before their own code; told where their state is. */
  readonly preload?: Partial<Record<'borrower' | 'lender', (stateDir: string) => string>>;
  readonly signal: AbortSignal;
}

/** A download, until it is disposed of: then the client leaves. */
export interface Pooled extends Disposable {
  /** `http://host:port`, of this download alone. */
  readonly origin: string;
  /** The origin has sent so much of it to the lender. */
  readonly sent: Bytes;
  /** What came over that line, by the borrower's count, which leaves out what it had already. */
  brought(by: 'own' | 'lender'): Promise<Bytes>;
  /** False when all of it has come, or can't come any more. */
  isLive(): Promise<boolean>;
}

export interface PooledScene extends AsyncDisposable {
  readonly borrower: Household;
  readonly lender: Household;
  readonly patience: Patience;
  /** Until the lender's line is offered. */
  untilOffered(): Promise<void>;
  /** Until the borrower has read all that came from a lender that is gone: then it has let go of the last connection. */
  untilRead(): Promise<void>;
  download(): Pooled;
}

export async function openPooledScene({
  downloads,
  preload = {},
  signal,
}: SceneOptions): Promise<PooledScene> {
  await using owned = new AsyncDisposableStack();
  const clock = systemClock;
  const slowly =
    (rate: BytesPerSecond) =>
    (asked: Asked): Answer => ({ ...answerFile(asked), delivery: { kind: 'trickle', rate } });
  const port = await freePort();
  owned.use(await startOrigin({ clock, host: HOME, port, respond: slowly(OWN_RATE) }));
  let exchanges: Exchange[] = [];
  const onExchange = (exchange: Exchange): void => void exchanges.push(exchange);
  owned.use(await startOrigin({ clock, host: AWAY, port, respond: slowly(LENT_RATE), onExchange }));

  const names = Array.from({ length: downloads }, (_, i) => `d${i}.pooled.demo`);
  const resolve = (host: string): readonly string[] => names.map((name) => `"${name}" = "${host}"`);
  const lend = [`ports = [${port}]`];
  // The same at each start, so that they find each other again at once.
  const links = [await freePort(), await freePort()] as const;
  const link = (at: number): readonly string[] => [`listen = ["127.0.0.1:${at}"]`, 'retry = "1 s"'];
  const folder = await temporaryFolder(owned);
  const loaded = (name: 'borrower' | 'lender'): { preload?: string } => {
    const file = preload[name]?.(join(folder, name, 'state'));
    return file === undefined ? {} : { preload: file };
  };
  const [borrower, lender] = await startHouseholds(
    owned,
    [
      {
        name: 'borrower',
        down: OWN_RATE,
        // Nothing that it brings is fetched again to be compared.
        config: { lend, trust: ['default = "trusted"'], link: link(links[0]), resolve: resolve(HOME) },
        ...loaded('borrower'),
      },
      {
        name: 'lender',
        down: LENT_RATE,
        config: { lend, link: link(links[1]), resolve: resolve(AWAY) },
        ...loaded('lender'),
      },
    ],
    { folder, ports: { http: port, https: 443 }, signal },
  );
  const patience: Patience = { clock, signal, bound: BOUND_MS };
  await pair([borrower, lender], patience);
  const [neighbour] = await borrower.control.neighbours();
  if (neighbour === undefined) throw new AttackError('the borrower has no neighbour');
  let made = 0;

  const download = (): Pooled => {
    const host = names[made];
    if (host === undefined) throw new Error('more downloads than were planned for');
    const size = FILE_BYTES + made;
    made += 1;
    const own: Exchange[] = [];
    exchanges = own;
    const leaving = new AbortController();
    const fetched = fetchPlain({
      clock,
      signal: AbortSignal.any([signal, leaving.signal]),
      to: borrower.proxy,
      origin: { host, port },
      path: `/file/${size}`,
      kind: { proxied: true },
    });
    // The client leaves before it has all.
    fetched.catch(() => undefined);
    const view = async (): Promise<Download | undefined> =>
      (await borrower.control.downloads()).find(({ bytes }) => bytes === size);
    return {
      origin: `http://${host}:${port}`,
      get sent() {
        return own.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
      },
      brought: async (by) => (await view())?.bytesByPath[by === 'own' ? OWN : neighbour.id] ?? 0,
      isLive: async () => (await view())?.state === 'live',
      [Symbol.dispose]: () => leaving.abort(new Error('the client leaves')),
    };
  };
  const scene = owned.move();
  return {
    borrower,
    lender,
    patience,
    untilOffered: () => untilOffered(borrower, 1, patience),
    untilRead: () =>
      waitUntil(
        'the borrower has read what came',
        patience,
        () => connectionsAt(links[1], Object.values(TCP_STATE)) === 0,
      ),
    download,
    [Symbol.asyncDispose]: () => scene.disposeAsync(),
  };
}
