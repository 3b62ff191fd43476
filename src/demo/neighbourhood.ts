/**
 * A whole neighbourhood on the loopback interface: an origin, a line for each household, and the households'
 * real daemons, paired as people pair them. The demo, tests and benches start one; disposing of it ends every
 * process and removes every file.
 *
 *     household 0 ── its line (127.0.1.1) ──┐
 *     household 1 ── its line (127.0.2.1) ──┼── origin        each resolves origin.demo to its own line
 *     household 2 ── its line (127.0.3.1) ──┘
 *         └── links between daemons: unshaped, as a radio link that is faster than the lines
 *
 * The first household borrows from all the others.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { Child } from './child.ts';
import { Household } from './household.ts';
import type { Shape } from './line.ts';
import type { FromProcess, OriginPorts, ToProcess } from './processes.ts';
import { waitUntil, within } from './wait.ts';

export interface HouseholdPlan {
  readonly name: string;
  /** Of its line. */
  readonly down: BytesPerSecond;
  readonly up: BytesPerSecond;
  /** One way. */
  readonly delay: Milliseconds;
  /** Lines of TOML by section, to add to its configuration or to replace in it. */
  readonly config?: Readonly<Record<string, readonly string[]>>;
  /** Of a household before it in the list, whose line it uses: then it has none of its own. */
  readonly sharesLineOf?: number;
  /** Another origin at the end of its line than the others have. */
  readonly origin?: OriginPorts;
}

export interface NeighbourhoodOptions {
  /** How linepool is run: `[process.execPath, script]`. */
  readonly command: readonly [string, ...string[]];
  readonly households: readonly HouseholdPlan[];
  /** An origin that is there already, and the authority behind its certificate; default: one is started. */
  readonly origin?: OriginPorts & { readonly ca: string };
  /** Whether the first household is paired with all the others; default true. */
  readonly paired?: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Neighbourhood extends AsyncDisposable {
  /** Removed at the end. */
  readonly folder: string;
  readonly households: readonly Household[];
  /** Ports of the origin as every household reaches it, over its own line. */
  readonly ports: OriginPorts;
  /** Of the authority behind the origin's certificate, PEM. */
  readonly ca: string;
  readonly caFile: string;
  /** Bytes that each line has carried down, a tenth of a second ago at most. */
  readonly carried: readonly Bytes[];
  /** Changes a household's line from now on. */
  reshape(household: number, change: Partial<Shape>): void;
}

const READY_BOUND_MS: Milliseconds = 10_000;
const PAIRED_BOUND_MS: Milliseconds = 15_000;

/** Everything, ready to be used: daemons up, neighbours paired and offering. @throws LinepoolError `demo_failed` */
export async function startNeighbourhood(options: NeighbourhoodOptions): Promise<Neighbourhood> {
  const { clock, signal, command } = options;
  const folder = await mkdtemp(join(tmpdir(), 'linepool-demo-'));
  await using owned = new AsyncDisposableStack();
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const patience = { clock, signal, bound: READY_BOUND_MS };
  const own = (name: string): Child =>
    owned.use(
      new Child({
        name: `the process of the ${name}`,
        command,
        args: ['demo', 'process', name],
        logFile: join(folder, `${name}.log`),
        channel: 'messages',
        clock,
      }),
    );

  let origin = options.origin;
  if (origin === undefined) {
    const answer = await ask(own('origin'), { kind: 'start-origin' }, 'origin-ready', patience);
    origin = { ...answer.ports, ca: answer.ca };
  }
  const at: OriginPorts = origin;
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, origin.ca);

  const lines = own('lines');
  let carried: readonly Bytes[] = options.households.map(() => 0);
  lines.listen((message) => {
    const news = message as FromProcess;
    if (news.kind === 'carried') carried = news.downBytes;
  });
  const lineHost = (household: number): string => `127.0.${household + 1}.1`;
  const orders = options.households.map(({ down, up, delay, origin: other }, i) => ({
    host: lineHost(i),
    to: other ?? { http: at.http, https: at.https },
    down,
    up,
    delay,
  }));
  const { ports } = await ask(lines, { kind: 'start-lines', lines: orders }, 'lines-ready', patience);

  const started = await Promise.allSettled(
    options.households.map(async ({ name, down, sharesLineOf, config = {} }, i) =>
      owned.use(
        await Household.start({
          name,
          folder: join(folder, `household-${i + 1}`),
          command,
          down,
          lineHost: lineHost(sharesLineOf ?? i),
          ports,
          config,
          clock,
          signal,
        }),
      ),
    ),
  );
  const households = started.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason as Error;
    return outcome.value;
  });
  const pids = households.flatMap(({ pid }) => pid ?? []);
  lines.send({ kind: 'guard', pids, folder } satisfies ToProcess);
  if (options.paired !== false) await pair(households, patience);
  const processes = owned.move();
  return {
    folder,
    households,
    ports,
    ca: origin.ca,
    caFile,
    get carried() {
      return carried;
    },
    reshape: (line, change) => lines.send({ kind: 'reshape', line, change } satisfies ToProcess),
    [Symbol.asyncDispose]: () => processes.disposeAsync(),
  };
}

type Answer<K extends FromProcess['kind']> = Extract<FromProcess, { kind: K }>;

/** Gives a process its order and waits for the answer. */
async function ask<K extends FromProcess['kind']>(
  child: Child,
  order: ToProcess,
  kind: K,
  patience: Parameters<typeof within>[1],
): Promise<Answer<K>> {
  const answered = new Promise<Answer<K>>((resolve, reject) => {
    child.listen((message) => {
      const answer = message as FromProcess;
      if (answer.kind === kind) resolve(answer as Answer<K>);
      else if (answer.kind === 'failed') reject(new LinepoolError('demo_failed', answer.why));
    });
  });
  child.send(order);
  return await within(order.kind, patience, Promise.race([answered, child.untimely()]));
}

/**
 * The first household joins all the others, at their invitation, and waits until each makes it an offer.
 * @throws LinepoolError `demo_failed`
 */
export async function pair(
  [borrower, ...lenders]: readonly Household[],
  { clock, signal }: Pick<NeighbourhoodOptions, 'clock' | 'signal'>,
): Promise<void> {
  if (borrower === undefined || lenders.length === 0) return;
  const invitations = await Promise.all(
    lenders.map((lender) => lender.runJson<{ invitation: string }>('invite')),
  );
  await Promise.all(invitations.map(({ invitation }) => borrower.runJson('join', invitation)));
  await untilOffered(borrower, lenders.length, { clock, signal });
}

/** Waits until so many neighbours are up and offer something. @throws LinepoolError `demo_failed` */
export async function untilOffered(
  borrower: Household,
  lenders: number,
  means: Pick<NeighbourhoodOptions, 'clock' | 'signal'>,
): Promise<void> {
  const patience = { ...means, bound: PAIRED_BOUND_MS };
  await waitUntil('every neighbour makes an offer', patience, async () => {
    const neighbours = await borrower.control.neighbours();
    return neighbours.filter(({ up, offer }) => up && (offer?.bytesPerSecond ?? 0) > 0).length === lenders;
  });
}
