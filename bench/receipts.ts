/**
 * What receipts cost: spans of http fetched over one or three lenders on loopback, unshaped, with receipts, both ledgers on disk,
 * and without anything being signed or recorded. Borrower and lenders are the real rooms over mutual TLS, all in this process, so that
 * processor time is that of both sides together; nginx is beside it. Runs in turns, medians; only ratios mean anything.
 *
 * The bar is for a pooled download, whose lines are slower than loopback: there the cost is the processor time below, at its rate.
 *
 *     node bench/receipts.ts [--json] [--rounds 7] [--size "256 MiB"] [--lenders 1,3]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Dispatcher } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import { parseTarget } from '../src/core/target.ts';
import { type Bytes, formatBytes, MIB, parseBytes } from '../src/core/units.ts';
import { Ledger } from '../src/ledger/ledger.ts';
import { LEASE_HEADER } from '../src/lending/lease.ts';
import { LeaseSigner } from '../src/lending/lease-signer.ts';
import { Lender } from '../src/lending/lender.ts';
import { ReceiptWriter } from '../src/lending/receipt-writer.ts';
import { PATHS } from '../src/neighbours/channel.ts';
import { LinkPosts } from '../src/neighbours/link-posts.ts';
import { type Leases, NeighbourLine } from '../src/paths/neighbour-line.ts';
import { LENDER_ERROR } from '../src/paths/range-fetch.ts';
import { lentAt } from '../test/lending/lent-line.ts';
import { type Household, household, pair } from '../test/neighbours/household.ts';
import { MemoryRecord } from '../test/support/record.ts';
import { startOrigin } from './programs.ts';
import { median, printTable, verdict } from './table.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    size: { type: 'string', default: '256 MiB' },
    lenders: { type: 'string', default: '1,3' },
  },
});
const rounds = Number(values.rounds);
const size = parseBytes(values.size) ?? Number.NaN;
const SPAN: Bytes = 8 * MIB;
const FAST = 1e11;
/** Most of what a second of a pooled download of that rate takes of a processor, as a share of it. */
const BAR = 0.03;
/** What a good home line carries; three of them pooled are the rate that the bar is about. */
const POOLED = 3 * 12.5e6;

type Way = 'signed' | 'unsigned';

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

await using origin = await startOrigin();
const { origin: where } = parseTarget(`${origin.url}/big`);

const results = [];
for (const count of values.lenders.split(',').map(Number)) results.push(await measure(count));
if (values.json) console.log(JSON.stringify(results));
else {
  printTable([
    ['lenders', 'unsigned', 'signed', 'throughput', 'processor per GiB', 'signed for', 'at 300 Mbit/s', ''],
    ...results.map((r) => [
      String(r.lenders),
      `${formatBytes(r.unsigned)}/s`,
      `${formatBytes(r.signed)}/s`,
      r.throughput.toFixed(3),
      `+${r.cpuMsPerGib.toFixed(0)} ms (+${(r.cpu * 100).toFixed(1)} %)`,
      `${(r.signedShare * 100).toFixed(1)} %`,
      `${(r.atPooled * 100).toFixed(2)} % of a processor`,
      verdict(r.atPooled <= BAR),
    ]),
  ]);
}
process.exitCode = results.every((r) => r.atPooled <= BAR) ? 0 : 1;

async function measure(count: number) {
  await using owned = new AsyncDisposableStack();
  const borrowing = owned.use(await household('borrowing'));
  const lenders: Household[] = [];
  const relays: Record<Way, Lender>[] = [];
  let way: Way = 'unsigned';
  for (let i = 0; i < count; i += 1) {
    const lending = owned.use(await household(`lending ${i}`));
    await pair(lending, borrowing);
    lenders.push(lending);
    const both = { signed: lender(lending, owned, true), unsigned: lender(lending, owned, false) };
    relays.push(both);
    lending.relay.request = (...told) => both[way].request(...told);
    lending.relay.receipt = (...told) => both[way].receipt(...told);
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
  const leases: Record<Way, Leases> = {
    signed: signing,
    unsigned: unmetered(new LeaseSigner(signerOptions)),
  };
  const costs: Record<Way, Cost[]> = { signed: [], unsigned: [] };
  for (let round = -1; round < rounds; round += 1) {
    for (const next of round % 2 === 0
      ? (['signed', 'unsigned'] as const)
      : (['unsigned', 'signed'] as const)) {
      way = next;
      const cost = await run(
        lenders.map(
          ({ room: { id } }) =>
            new NeighbourLine({
              id,
              name: id,
              offer: () => ({ bytesPerSecond: FAST, bufferBytes: 0 }),
              connect: client.undiciConnector({ id }),
              leases: leases[next],
              http: () => 'trusted',
              responseTimeout: 10_000,
            }),
        ),
      );
      // The first round loads what is loaded at first use.
      if (round >= 0) costs[next].push(cost);
    }
  }
  const signedBytes = lenders.reduce((sum, { room: { id } }) => sum + signing.signedFor(id), 0);
  const wall = (of: Way): number => median(costs[of].map(({ wallMs }) => wallMs));
  const cpuMs = median(costs.signed.map(({ cpuMs: on }, i) => on - (costs.unsigned[i]?.cpuMs ?? Number.NaN)));
  const cpuMsPerGib = (cpuMs * 1024 * MIB) / size;
  return {
    lenders: count,
    unsigned: (size * 1000) / wall('unsigned'),
    signed: (size * 1000) / wall('signed'),
    throughput: median(
      costs.signed.map(({ wallMs }, i) => (costs.unsigned[i]?.wallMs ?? Number.NaN) / wallMs),
    ),
    cpu: cpuMs / median(costs.unsigned.map((cost) => cost.cpuMs)),
    cpuMsPerGib,
    /** Of all that was fetched with receipts, the round before the first included; the rest did not arrive in time to be signed. */
    signedShare: signedBytes / (size * (rounds + 1)),
    atPooled: (cpuMsPerGib / 1000) * (POOLED / (1024 * MIB)),
  };
}

function lender(at: Household, owned: AsyncDisposableStack, signs: boolean): Lender {
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
  made.setLent(lentAt(FAST));
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
async function run(lines: readonly NeighbourLine[]): Promise<Cost> {
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
          await span(lane, start, next);
        }
      };
      await Promise.all([pull(), pull()]);
      lane.destroy(new Error('done'));
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: systemClock.now() - began, cpuMs: (user + system) / 1000 };
}

function span(lane: ReturnType<NeighbourLine['lane']>, start: Bytes, end: Bytes): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = 0;
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => undefined,
      onResponseStart: (controller, status, headers) => {
        if (status !== 206) controller.abort(new Error(`${status} ${String(headers[LENDER_ERROR])}`));
      },
      onResponseData: (_controller, chunk) => {
        got += chunk.length;
      },
      onResponseEnd: () => {
        if (got === end - start) resolve();
        else reject(new Error(`${got} bytes came`));
      },
      onResponseError: (_controller, error) => reject(error),
    };
    lane.dispatch('/big', ['Range', `bytes=${start}-${end - 1}`], handler);
  });
}
