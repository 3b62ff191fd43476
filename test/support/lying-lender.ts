/**
 * A neighbour that lies: two whole daemons in this process, really paired, and a lender at the end of whose line there is no
 * honest server but one that alters what it is asked for. To the borrower that is the same as a lender that alters it itself:
 * what comes over its link is wrong, and it signs what it sent.
 *
 *     client ─► borrower's daemon ─┬─ own line ──────────────► server (127.0.0.1)
 *                                  └─ link ─► lender's daemon ─► liar (127.0.0.2), the same port
 *
 *     await using liar = await openLiar();
 *     const tried = await liar.try('sampled', 'all', 7);      // way, lie, seed
 */
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../../src/cli/get/run.ts';
import type { Sink } from '../../src/cli/get/seam.ts';
import { parseConfig } from '../../src/config.ts';
import type { Desk } from '../../src/control/desk.ts';
import { readRunFile } from '../../src/control/runfile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { fieldValue } from '../../src/core/http.ts';
import { span } from '../../src/core/span.ts';
import { parseAuthority, parseTarget } from '../../src/core/target.ts';
import type { Bytes } from '../../src/core/units.ts';
import { type Daemon, openDaemon } from '../../src/daemon.ts';
import { type Answer, type Asked, answerFile } from '../../src/demo/answer.ts';
import { startOrigin } from '../../src/demo/origin.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import { freePort } from './free-port.ts';
import { altered, LIES, type Lie, type Order, seeded, tampered, withDigest } from './lies.ts';
import { testAuthority } from './origin.ts';
import { patternBytes } from './pattern-bytes.ts';
import { until } from './until.ts';

/** https by `get`; http through the proxy, with a digest of the whole, or with nothing but samples; the same by `get`. */
export const WAYS = ['https', 'digest', 'sampled', 'get'] as const;
export type Way = (typeof WAYS)[number];

export interface Tried {
  /** The client got what looks like all of it. */
  readonly complete: boolean;
  /** Among the bytes that the client got. */
  readonly wrongBytes: Bytes;
  /** Parts that the liar altered and sent. */
  readonly lies: number;
  /** What the liar's line brought, as the borrower counted it. */
  readonly broughtBytes: Bytes;
  /** It is quarantined; and its own signature proves it. */
  readonly caught: boolean;
  readonly signed: boolean;
  readonly ms: number;
}

export interface Liar extends AsyncDisposable {
  /** One download with a fresh host name. Not to be called again before it has resolved. */
  try(way: Way, lie: Lie | 'none', seed: number, size?: Bytes): Promise<Tried>;
  /** A fresh host name that is lied about, for a download that a test makes itself as the borrower. */
  bait(lie: Lie | 'none', wanted?: Wanted): Promise<Bait>;
  readonly borrower: Desk;
}

export interface Wanted {
  readonly seed?: number;
  readonly size?: Bytes;
  readonly secure?: boolean;
  /** The server gives a digest of the whole. */
  readonly digest?: boolean;
}

export interface Bait {
  readonly url: string;
  /** What is done to it; may be changed between downloads. */
  readonly order: Order;
  /** The borrower's. */
  readonly proxyPort: number;
  readonly stateDir: string;
  readonly configFile: string;
  readonly caFile: string;
}

export interface LiarOptions {
  /** Downloads that are going to be made. */
  readonly tries?: number;
  /** Lines of TOML for the borrower's section [trust]. */
  readonly trust?: readonly string[];
  /** What each connection to the server and to the liar brings, in bytes per second. */
  readonly rate?: number;
}

const SIZE: Bytes = 1_500_000;
const HOME = '127.0.0.1';
const AWAY = '127.0.0.2';

export async function openLiar(options: LiarOptions = {}): Promise<Liar> {
  await using owned = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'linepool-liar-'));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const rate = options.rate ?? 4e6;
  const orders = new Map<string, Order>();
  const orderOf = (asked: Asked): Order | undefined =>
    orders.get((fieldValue(asked.headers, 'host') ?? '').split(':')[0] ?? '');
  const slowly = (answer: Answer): Answer => ({ ...answer, delivery: { kind: 'trickle', rate } });
  const honest = (asked: Asked): Answer => {
    const order = orderOf(asked);
    const answer = slowly(withDigest(answerFile(asked), order));
    return order?.own(asked, answer) ?? answer;
  };
  const clock = systemClock;

  // Known ones, since they are wanted away too.
  const server = owned.use(await startOrigin({ clock, host: HOME, port: await freePort(), respond: honest }));
  const authority = await testAuthority();
  const tls = await authority.issue(['*.liar.demo']);
  const secure = owned.use(
    await startOrigin({ clock, host: HOME, port: await freePort(), tls, respond: honest }),
  );
  owned.use(
    await startOrigin({
      clock,
      host: AWAY,
      port: server.port,
      respond: (asked) => slowly(altered(answerFile(asked), orderOf(asked))),
    }),
  );
  let current: Order | undefined;
  owned.use(await startTampering(secure.port, () => current));

  const names = Array.from({ length: options.tries ?? 64 }, (_, i) => `t${i}.liar.demo`);
  const household = async (
    name: string,
    at: string,
    more: readonly string[],
  ): Promise<Daemon & { file: string }> => {
    const stateDir = join(folder, name);
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const file = join(folder, `${name}.toml`);
    const text = [
      `[household]\nname = "${name}"`,
      '[proxy]\nlisten = ["127.0.0.1:0"]',
      '[control]\nlisten = "127.0.0.1:0"',
      '[link]\nlisten = ["127.0.0.1:0"]\nretry = "1 s"',
      '[pool]\nmin_size = "256 KiB"\nmin_saving = "0 ms"',
      `[line]\ndown = "${rate} B/s"\ninterface = "none"`,
      `[lend]\nshare_percent = 100\nports = [${server.port}, ${secure.port}]\nallow_networks = ["127.0.0.0/8"]`,
      '[log]\nlevel = "error"',
      ...more,
      `[resolve]\n${names.map((host) => `"${host}" = "${at}"`).join('\n')}`,
    ].join('\n');
    await writeFile(file, text);
    const daemon = owned.use(
      await openDaemon({ config: parseConfig(text, file), stateDir, version: '0.0.0' }),
    );
    return { ...daemon, file };
  };
  const lender = await household('Liar', AWAY, []);
  const trust = options.trust ?? ['default = "checked"'];
  const borrower = await household('Borrower', HOME, [`[trust]\n${trust.join('\n')}`]);
  const { invitation } = await lender.desk.invite({ ttlMs: 60_000 });
  const { id } = await borrower.desk.join({ invitation });
  const offered = (): boolean => {
    const [neighbour] = borrower.desk.neighbours();
    return neighbour?.up === true && (neighbour.offer?.bytesPerSecond ?? 0) > 0;
  };
  const stateDir = join(folder, 'Borrower');
  const proxy = parseAuthority(readRunFile(stateDir)?.proxy[0] ?? '');
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.ca);
  let made = 0;

  const bait: Liar['bait'] = async (lie, wanted = {}) => {
    const { seed = 1, size = SIZE, secure: isSecure = false, digest = false } = wanted;
    const host = names[made];
    if (host === undefined) throw new Error('more tries than were planned for');
    made += 1;
    await borrower.desk.trust(id, { caught: 'lift' });
    await until('the liar offers its line', offered);
    const random = seeded(seed);
    const own: Order['own'] = (_asked, answer) => answer;
    const order: Order = { lie, nth: random(2), random, asked: 0, lies: 0, digest, own };
    orders.set(host, order);
    current = order;
    const url = `${isSecure ? 'https' : 'http'}://${host}:${(isSecure ? secure : server).port}/file/${size}`;
    return { url, order, proxyPort: proxy.port, stateDir, configFile: borrower.file, caFile };
  };
  const attempt = async (way: Way, lie: Lie | 'none', seed: number, size: Bytes): Promise<Tried> => {
    const isSecure = way === 'https';
    const { url, order } = await bait(lie, { seed, size, secure: isSecure, digest: way === 'digest' });
    const before = borrowedFrom(borrower.desk, id);
    const since = performance.now();
    const got = await (isSecure || way === 'get'
      ? getToMemory({ url, stateDir, file: borrower.file, ca: authority.ca })
      : getThrough(proxy.port, url));
    const ms = performance.now() - since;
    const isCaught = (): boolean => borrower.desk.neighbours()[0]?.caught !== undefined;
    // Who it was may be found, and proved, a moment after the client has been told that it failed.
    if (!got.complete && lie !== 'none' && way !== 'https') await patient(isCaught);
    const neighbour = borrower.desk.neighbours()[0];
    if (neighbour?.caught !== undefined) {
      await patient(() => borrower.desk.neighbours()[0]?.caught?.signed !== undefined);
    }
    const proof = borrower.desk.neighbours()[0]?.caught;
    return {
      complete: got.complete,
      wrongBytes: got.wrongBytes,
      lies: order.lies,
      broughtBytes: borrowedFrom(borrower.desk, id) - before,
      caught: proof !== undefined,
      signed: proof?.signed !== undefined,
      ms,
    };
  };
  const rooms = owned.move();
  return {
    borrower: borrower.desk,
    try: (way, lie, seed, size = SIZE) => attempt(way, lie, seed, size),
    bait,
    [Symbol.asyncDispose]: () => rooms.disposeAsync(),
  };
}

/** Many tries, one after the other; `each` is told of every one. */
export async function tries(
  n: number,
  {
    way,
    lies = LIES,
    seed = 1,
  }: { readonly way: Way; readonly lies?: readonly Lie[]; readonly seed?: number },
  each: (tried: Tried, lie: Lie) => void,
): Promise<void> {
  await using liar = await openLiar({ tries: n });
  for (let i = 0; i < n; i += 1) {
    const lie = lies[i % lies.length] ?? 'byte';
    each(await liar.try(way, lie, seed + i), lie);
  }
}

function borrowedFrom(desk: Desk, id: string): Bytes {
  return desk.neighbours().find((one) => one.id === id)?.borrowedBytes ?? 0;
}

/** Until it holds, but only for a while: what does not come is what is measured. */
async function patient(condition: () => boolean): Promise<void> {
  await until('', condition, 1_500).catch(() => undefined);
}

/** TCP to the real server, with bytes altered, left out or put in on the way back. */
async function startTampering(port: number, order: () => Order | undefined): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: HOME, port });
    let passed = 0;
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.on('data', (chunk: Buffer) => {
      const now = order();
      passed += chunk.length;
      near.write(now === undefined ? chunk : tampered(chunk, passed, now));
    });
  });
  server.listen(port, AWAY);
  await once(server, 'listening');
  if ((server.address() as AddressInfo).port !== port) throw new Error('the port is another');
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

interface Got {
  readonly complete: boolean;
  readonly wrongBytes: Bytes;
}

const wrongIn = (chunk: Buffer, at: Bytes): Bytes => {
  if (isPattern(chunk, at)) return 0;
  const right = patternBytes(span(at, at + chunk.length));
  let wrong = 0;
  for (let i = 0; i < chunk.length; i += 1) if (chunk[i] !== right[i]) wrong += 1;
  return wrong;
};

async function getThrough(port: number, url: string): Promise<Got> {
  const request = httpRequest({ host: HOME, port, path: url, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let at = 0;
  let wrongBytes = 0;
  response.on('data', (chunk: Buffer) => {
    wrongBytes += wrongIn(chunk, at);
    at += chunk.length;
  });
  response.on('error', () => undefined);
  if (!response.closed) await once(response, 'close').catch(() => undefined);
  return { complete: response.complete, wrongBytes };
}

/** As `linepool get`, but into memory instead of a file. */
async function getToMemory(wanted: {
  readonly url: string;
  readonly stateDir: string;
  readonly file: string;
  readonly ca: string;
}): Promise<Got> {
  await using engine = await openEngine({
    stateDir: wanted.stateDir,
    configFile: wanted.file,
    ownLine: false,
    ca: wanted.ca,
    notice: () => undefined,
  });
  let there = Buffer.alloc(0);
  const sink: Sink = {
    full: false,
    write: (offset, chunk) => void chunk.copy(there, offset),
    forget: () => true,
    onDrain: () => undefined,
    onError: () => undefined,
    finish: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
  const signal = new AbortController().signal;
  try {
    const target = parseTarget(wanted.url);
    const opened = await engine.open({
      target,
      headers: [],
      from: undefined,
      signal,
      waiting: () => undefined,
    });
    const total = opened.head.totalBytes ?? 0;
    there = Buffer.alloc(total);
    await opened.transfer([span(0, total)], sink);
    return { complete: true, wrongBytes: wrongIn(there, 0) };
  } catch {
    return { complete: false, wrongBytes: 0 };
  }
}
