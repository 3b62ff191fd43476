/**
 * What trust costs: spans of http fetched over lenders on loopback with nothing signed, hashed or recorded; with receipts and both
 * ledgers on disk; and with each span hashed by both and signed besides. Borrower and lenders are the real rooms over mutual TLS, all in
 * this process, so that processor time is that of all households together; nginx is beside it. Runs in turns, medians.
 *
 * The bar is for the throughput of a pooled download: three lenders, each of which lends what a good home line carries. Beside it one
 * that nothing slows down, where all that costs processor time costs throughput; it has no bar.
 *
 *     node bench/receipts.ts [--json] [--rounds 7] [--lenders 3]
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Dispatcher } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import type { Span } from '../src/core/span.ts';
import { parseTarget } from '../src/core/target.ts';
import { type Bytes, type BytesPerSecond, formatBytes, MIB } from '../src/core/units.ts';
import { openJws } from '../src/ledger/jws.ts';
import { Ledger } from '../src/ledger/ledger.ts';
import { LEASE_HEADER } from '../src/lending/lease.ts';
import { LeaseSigner } from '../src/lending/lease-signer.ts';
import { Lender } from '../src/lending/lender.ts';
import { ReceiptWriter } from '../src/lending/receipt-writer.ts';
import { PATHS } from '../src/neighbours/channel.ts';
import { LinkPosts } from '../src/neighbours/link-posts.ts';
import { type Leases, NeighbourLine } from '../src/paths/neighbour-line.ts';
import { LENDER_ERROR, SPAN_TRAILER } from '../src/paths/range-fetch.ts';
import { lentAt } from '../test/lending/lent-line.ts';
import { type Household, household, pair } from '../test/neighbours/household.ts';
import { MemoryRecord } from '../test/support/record.ts';
import { startOrigin } from './programs.ts';
import { median, printTable, verdict } from './table.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    lenders: { type: 'string', default: '3' },
  },
});
const rounds = Number(values.rounds);
const count = Number(values.lenders);
const SPAN: Bytes = 4 * MIB;
/** Most that it may cost of the throughput. */
const BAR = 0.03;

interface Case {
  readonly name: string;
  /** What each lender lends. */
  readonly rate: BytesPerSecond;
  readonly size: Bytes;
  readonly hasBar: boolean;
}
const CASES: readonly Case[] = [
  { name: 'pooled', rate: 12.5e6, size: 192 * MIB, hasBar: true },
  { name: 'unshaped', rate: 1e11, size: 256 * MIB, hasBar: false },
];

const WAYS = ['unsigned', 'receipts', 'hashes'] as const;
/** Each with what the one before has. */
type Way = (typeof WAYS)[number];

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

await using origin = await startOrigin();
const { origin: where } = parseTarget(`${origin.url}/big`);

const results = [];
for (const one of CASES) results.push(...(await measure(one)));
if (values.json) console.log(JSON.stringify(results));
else {
  printTable([
    ['download', 'with', 'rate', 'throughput', 'of a processor', 'more per GiB', ''],
    ...results.map((r) => [
      r.name,
      r.way,
      `${formatBytes(r.rate)}/s`,
      r.throughput.toFixed(3),
      `${(r.cpu * 100).toFixed(1)} %`,
      `+${r.cpuMsPerGib.toFixed(0)} ms`,
      r.hasBar ? verdict(r.held) : '',
    ]),
  ]);
}
process.exitCode = results.every((r) => r.held) ? 0 : 1;

async function measure({ name, rate, size, hasBar }: Case) {
  await using owned = new AsyncDisposableStack();
  const borrowing = owned.use(await household('borrowing'));
  const lenders: Household[] = [];
  let way: Way = 'unsigned';
  for (let i = 0; i < count; i += 1) {
    const lending = owned.use(await household(`lending ${i}`));
    await pair(lending, borrowing);
    lenders.push(lending);
    const signs = lender(lending, owned, { rate, signs: true });
    const trusts = lender(lending, owned, { rate, signs: false });
    const now = (): Lender => (way === 'unsigned' ? trusts : signs);
    lending.relay.request = (...told) => now().request(...told);
    lending.relay.receipt = (...told) => now().receipt(...told);
  }
  const { identity, book, client } = borrowing.room;
  const posts = owned.use(new LinkPosts(client));
  const ledger = owned.use(
    Ledger.open({
      file: join(borrowing.stateDir, 'ledger'),
      clock: systemClock,
      household: identity,
      events: borrowing.events,
    }),
  );
  const signerOptions = { ownId: identity.id, privateKey: identity.privateKey, clock: systemClock };
  const signing = owned.use(
    new ReceiptWriter({
      signer: new LeaseSigner(signerOptions),
      privateKey: identity.privateKey,
      publicKeyOf: (id) => book.byId(id)?.publicKey,
      isUp: () => true,
      post: (id, message) => posts.send(id, PATHS.receipt, message),
      record: ledger,
      clock: systemClock,
      events: borrowing.events,
    }),
  );
  const unmeteredLeases = unmetered(new LeaseSigner(signerOptions));
  const costs: Record<Way, Cost[]> = { unsigned: [], receipts: [], hashes: [] };
  for (let round = -1; round < rounds; round += 1) {
    for (const next of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
      way = next;
      const cost = await run(
        lenders.map(
          ({ room: { id } }) =>
            new NeighbourLine({
              id,
              name: id,
              offer: () => ({ bytesPerSecond: rate, bufferBytes: 0 }),
              connect: client.undiciConnector({ id }),
              leases: next === 'unsigned' ? unmeteredLeases : signing,
              http: () => (next === 'hashes' ? 'checked' : 'trusted'),
              responseTimeout: 10_000,
            }),
        ),
        { size, hashes: next === 'hashes' },
      );
      // The first round loads what is loaded at first use.
      if (round >= 0) costs[next].push(cost);
    }
  }
  // Else it would be cheap because nothing was signed; what came last did not arrive in time to be.
  const signedBytes = lenders.reduce((sum, { room: { id } }) => sum + signing.signedFor(id), 0);
  const carried = size * (rounds + 1) * (WAYS.length - 1);
  if (signedBytes < carried * 0.95)
    throw new Error(`Only ${signedBytes} of ${carried} bytes were signed for.`);
  const wall = (way: Way): number => median(costs[way].map(({ wallMs }) => wallMs));
  return WAYS.map((way) => {
    const each = costs[way].map((cost, i) => ({ ...cost, unsigned: costs.unsigned[i] ?? cost }));
    const cpuMs = median(each.map((one) => one.cpuMs - one.unsigned.cpuMs));
    const throughput = median(each.map((one) => one.unsigned.wallMs / one.wallMs));
    return {
      name,
      way,
      hasBar: hasBar && way !== 'unsigned',
      rate: (size * 1000) / wall(way),
      throughput,
      /** More than without, of a processor, while it downloads. */
      cpu: cpuMs / wall(way),
      cpuMsPerGib: (cpuMs * 1024 * MIB) / size,
      held: !hasBar || throughput >= 1 - BAR,
    };
  });
}

function lender(
  at: Household,
  owned: AsyncDisposableStack,
  { rate, signs }: { readonly rate: BytesPerSecond; readonly signs: boolean },
): Lender {
  const { identity } = at.room;
  const record = signs
    ? owned.use(
        Ledger.open({
          file: join(at.stateDir, 'ledger'),
          clock: systemClock,
          household: identity,
          events: at.events,
        }),
      )
    : new MemoryRecord();
  const made = owned.use(
    new Lender(
      {
        ownId: identity.id,
        privateKey: identity.privateKey,
        record,
        ...(signs ? {} : { receiptStep: Number.POSITIVE_INFINITY }),
        ports: [where.port],
        allowNetworks: ['127.0.0.0/8'],
        dial: { pinned: new Map(), connectTimeout: 3_000 },
        bufferBytes: 256 * 1024,
        leaseLimits: { maxBytes: 1e12, maxTime: 3_600_000 },
        maxConnections: 64,
      },
      { clock: systemClock, events: at.events },
    ),
  );
  made.setLent(lentAt(rate));
  return made;
}

/** Leases under which nothing is signed. */
function unmetered(signer: LeaseSigner): Leases {
  return {
    header: LEASE_HEADER,
    lease: (...asked) => signer.lease(...asked),
    carrying: (token) => ({
      down: (bytes) => signer.used(token, bytes),
      up: () => undefined,
      [Symbol.dispose]: () => undefined,
    }),
    spoiled: (token) => signer.spoiled(token),
    isLeftAlone: () => false,
  };
}

/** Fetches `size` bytes in spans, each line taking the next; two are queued on each. */
async function run(
  lines: readonly NeighbourLine[],
  { size, hashes }: { readonly size: Bytes; readonly hashes: boolean },
): Promise<Cost> {
  const cpu = process.cpuUsage();
  const began = systemClock.now();
  let next = 0;
  await Promise.all(
    lines.map(async (line) => {
      const lane = line.lane(where, { bytesWanted: size });
      const pull = async (): Promise<void> => {
        while (next < size) {
          const start = next;
          next = Math.min(size, start + SPAN);
          await span(lane, { start, end: next }, hashes);
        }
      };
      await Promise.all([pull(), pull()]);
      lane.destroy(new Error('done'));
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: systemClock.now() - began, cpuMs: (user + system) / 1000 };
}

/** `hashes`: what comes is hashed, as a download does, and must be what the lender signed. */
function span(lane: ReturnType<NeighbourLine['lane']>, { start, end }: Span, hashes: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    const hash = hashes ? createHash('sha256') : undefined;
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => undefined,
      onResponseStart: (controller, status, headers) => {
        if (status !== 206) controller.abort(new Error(`${status} ${String(headers[LENDER_ERROR])}`));
      },
      onResponseData: (_controller, chunk) => {
        got += chunk.length;
        hash?.update(chunk);
      },
      onResponseEnd: (_controller, trailers) => {
        const signed = sha256In(trailers[SPAN_TRAILER]);
        if (got !== end - start) reject(new Error(`${got} bytes came`));
        else if (signed !== hash?.digest('base64url')) reject(new Error(`It signed ${signed}.`));
        else resolve();
      },
      onResponseError: (_controller, error) => reject(error),
    };
    lane.dispatch('/big', ['Range', `bytes=${start}-${end - 1}`], handler);
  });
}

/** What a span statement says; undefined when there is none. Its signature is checked elsewhere. */
function sha256In(statement: unknown): string | undefined {
  const payload = typeof statement === 'string' ? openJws(statement)?.payload : undefined;
  return payload === undefined ? undefined : (JSON.parse(payload) as { sha: string }).sha;
}
