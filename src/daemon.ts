/**
 * The daemon: the composition root, and the one file that knows every room. It opens them in order, gives each what
 * it needs, and ends them in reverse. It must hold no logic: what is decided is decided in a room.
 *
 *     neighbourhood ◄── lender ◄── steward (who may borrow, and what is lent now)
 *          │ presence, link
 *          ▼
 *     paths ──► pooling ──► proxy         (what the household's clients use)
 *          └──► gateway ──► control       (what `linepool get` and people use)
 */
import { chmod, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { openToken } from './control/access.ts';
import { openControl } from './control/api.ts';
import type { Desk } from './control/desk.ts';
import { PathGateway } from './control/gateway.ts';
import { HouseholdDesk } from './control/household-desk.ts';
import { lockState } from './control/lock.ts';
import { logEvents } from './control/log.ts';
import { ReportedDownloads } from './control/reported.ts';
import { publishRunFile } from './control/runfile.ts';
import { systemClock } from './core/clock.ts';
import { LinepoolError } from './core/errors.ts';
import { Events } from './core/events.ts';
import { formatAuthority, parseAuthority, splitListen } from './core/target.ts';
import { MIB } from './core/units.ts';
import { householdIntegrity } from './download/integrity/household.ts';
import { OriginSeats } from './download/origin-seats.ts';
import type { PlanSettings } from './download/plan-state.ts';
import { Register } from './download/register.ts';
import { WindowBudget } from './download/window.ts';
import { LEDGER_FILE } from './ledger/entry.ts';
import { Ledger } from './ledger/ledger.ts';
import { Configured } from './lending/configured.ts';
import { DelayProbe, probed } from './lending/delay-probe.ts';
import { DelayWatch } from './lending/delay-watch.ts';
import { LeaseSigner } from './lending/lease-signer.ts';
import { Lender } from './lending/lender.ts';
import { LineMemory } from './lending/line-memory.ts';
import { LineWatch } from './lending/line-watch.ts';
import { ReceiptWriter } from './lending/receipt-writer.ts';
import type { LendSettings } from './lending/settings.ts';
import { Steward } from './lending/steward.ts';
import { UsageBook } from './lending/usage.ts';
import type { Neighbour } from './neighbours/book.ts';
import { PATHS } from './neighbours/channel.ts';
import { loadIdentity } from './neighbours/identity.ts';
import { LinkPosts } from './neighbours/link-posts.ts';
import { Neighbourhood } from './neighbours/neighbourhood.ts';
import { quarantine } from './neighbours/quarantine.ts';
import { type Caught, TrustBook } from './neighbours/trust.ts';
import type { DialOptions } from './paths/dial.ts';
import { Health } from './paths/health.ts';
import { NeighbourLines } from './paths/neighbour-lines.ts';
import { OwnLine } from './paths/own-line.ts';
import { OwnDoors } from './proxy/own-doors.ts';
import { pooling } from './proxy/pooled.ts';
import { newPseudonym } from './proxy/pseudonym.ts';
import { Proxy } from './proxy/server.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly stateDir: string;
  readonly version: string;
}

export interface Daemon extends AsyncDisposable {
  readonly desk: Desk;
  /** Resolves when it was asked to end, by whomever. */
  readonly ended: Promise<void>;
  /**
   * Goes by the [lend] of that configuration from now on, but for what only a start can change.
   * @throws LinepoolError `policy_invalid`: nothing is changed
   */
  readonly reload: (config: Config) => void;
}

/** Smallest span worth a request of its own. */
const LEAST_SPAN = MIB / 16;

export function planSettings(pool: Config['pool']): PlanSettings {
  return {
    scheme: pool.scheme,
    spanMs: pool.span_time,
    leastBytes: LEAST_SPAN,
    fixedBytes: pool.fixed_span,
    stallMs: pool.stall_timeout,
  };
}

export function dialOptions(config: Config): DialOptions {
  return {
    pinned: new Map(Object.entries(config.resolve).map(([name, address]) => [name.toLowerCase(), address])),
    connectTimeout: config.line.connect_timeout,
  };
}

const hostOf = (listen: string): string => splitListen(listen).host;

function lendSettings(lend: Config['lend']): LendSettings {
  const { enabled, share_percent, hours, weight_min, weight_max } = lend;
  return {
    enabled,
    share_percent,
    share_percent_up: lend.share_percent_up,
    rate: lend.rate,
    rate_up: lend.rate_up,
    keep: lend.keep,
    keep_up: lend.keep_up,
    hours,
    quota_day: lend.quota_day,
    quota_month: lend.quota_month,
    weight_min,
    weight_max,
    ports: lend.ports,
    deny_hosts: lend.deny_hosts,
  };
}

/** @throws LinepoolError `daemon_running`, `state_unusable`, `port_taken`, `config_invalid` */
export async function openDaemon({ config, stateDir, version }: DaemonOptions): Promise<Daemon> {
  await using owned = new AsyncDisposableStack();
  await makeStateDir(stateDir);
  owned.use(await lockState(stateDir));
  const clock = systemClock;
  const events = new Events(() => clock.wall());
  owned.use(logEvents(events, config.log.level));
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const name = config.household.name ?? hostname();
  const identity = await loadIdentity(stateDir);
  const dial = dialOptions(config);

  // Neither our proxy nor our line, when it is lent, may lead to them.
  const ourDoors = new OwnDoors();
  const ownLine = new OwnLine({
    dial,
    down: config.line.down,
    responseTimeout: config.line.response_timeout,
  });
  const ledger = owned.use(
    Ledger.open({
      file: join(stateDir, LEDGER_FILE),
      clock,
      events,
      household: identity,
      keep: config.ledger.keep,
      maxBytes: config.ledger.max_size,
    }),
  );
  const lender = owned.use(
    new Lender(
      {
        ownId: identity.id,
        privateKey: identity.privateKey,
        record: ledger,
        ports: config.lend.ports,
        denyHosts: config.lend.deny_hosts,
        ownNetworks: config.lend.own_addresses,
        isOwnDoor: (door) => ourDoors.has(door),
        allowNetworks: config.lend.allow_networks,
        dial,
        originSilence: config.line.response_timeout,
        bufferBytes: config.lend.buffer,
        leaseLimits: { maxBytes: config.lend.lease_bytes, maxTime: config.lend.lease_time },
        maxConnections: config.lend.max_connections,
      },
      { clock, events },
    ),
  );
  let desk: HouseholdDesk | undefined;
  let reached: Pick<Neighbourhood, 'linked'> | undefined;
  const watch = new LineWatch({ interface: config.line.interface, clock });
  const delay = new DelayWatch(clock);
  const asked = probed(config.line.probe);
  if (asked !== undefined) delay.begin(owned.use(new DelayProbe(asked, clock, (ms) => delay.answered(ms))));
  const steward = owned.use(
    await Steward.open(
      {
        stateDir,
        configured: lendSettings(config.lend),
        line: { down: config.line.down, up: config.line.up },
        linkOnLine: () => watch.carries(config.link.listen.map(hostOf)),
      },
      {
        clock,
        events,
        lender,
        usage: owned.use(await UsageBook.open(stateDir, clock, events)),
        memory: owned.use(await LineMemory.open(stateDir, clock, events)),
        watch,
        delay,
        linked: () => reached?.linked(),
        ownBytes: () => desk?.ownBytes() ?? 0,
        lentUs: (id) => desk?.borrowedFrom(id) ?? 0,
      },
    ),
  );
  const trust = owned.use(await TrustBook.open(stateDir, config.trust.default));
  const neighbourhood = owned.use(
    await Neighbourhood.open(
      {
        stateDir,
        name,
        version,
        listen: config.link.listen,
        advertise: config.link.advertise,
        connectTimeout: config.link.connect_timeout,
        retry: config.link.retry,
      },
      { clock, events, handlers: lender },
    ),
  );
  reached = neighbourhood;
  const configured = new Configured(lendSettings(config.lend), config.lend.neighbours ?? {}, {
    events,
    neighbours: () => neighbourhood.book.all(),
    steward,
  });
  owned.use(
    neighbourhood.book.listen((change) => {
      configured.neighboursChanged();
      if (change.kind === 'rekeyed') {
        const { before, neighbour } = change;
        lender.rekey(before.id, neighbour.id);
        // What holds for it goes on under its new id; should the disk refuse, until the next start only.
        steward.rekey(before.id, neighbour.id).catch(() => undefined);
        trust.rekey(before.id, neighbour.id).catch(() => undefined);
      }
      if (change.kind !== 'removed') return;
      lender.drop(change.neighbour.id);
      // The disk may refuse: what was set for a household that is gone does no harm.
      steward.forget(change.neighbour.id).catch(() => undefined);
      trust.forget(change.neighbour.id).catch(() => undefined);
    }),
  );

  const signer = new LeaseSigner({ ownId: identity.id, privateKey: identity.privateKey, clock });
  const posts = owned.use(new LinkPosts(neighbourhood.client));
  const leases = owned.use(
    new ReceiptWriter({
      signer,
      privateKey: identity.privateKey,
      publicKeyOf: (id) => neighbourhood.book.byId(id)?.publicKey,
      isUp: (id) => neighbourhood.presence.isUp(id),
      post: (id, message) => posts.send(id, PATHS.receipt, message),
      record: ledger,
      clock,
      events,
    }),
  );
  owned.use(
    events.listen(({ event }) => {
      // Signing is loaded when it will be wanted soon: later, the first download would wait for it.
      if (event.kind === 'neighbour_up') void import('jose');
    }),
  );
  const lines = owned.use(
    new NeighbourLines({
      book: neighbourhood.book,
      presence: neighbourhood.presence,
      link: neighbourhood.client,
      leases,
      trust,
      responseTimeout: config.line.response_timeout,
    }),
  );
  const caught = (neighbour: Pick<Neighbour, 'id' | 'name'>, proof: Caught): Promise<void> =>
    quarantine(
      {
        trust,
        events,
        record: ({ id }, reason, statement) => {
          const publicKey = neighbourhood.book.byId(id)?.publicKey;
          if (publicKey === undefined) return;
          ledger.append({ kind: 'proof', neighbour: id, publicKey, reason, statement });
        },
      },
      neighbour,
      proof,
    );
  const integrity = householdIntegrity({
    percent: config.trust.check_percent,
    neighbour: (id) => neighbourhood.book.byId(id),
    caught: (neighbour, proof) => void caught(neighbour, proof),
  });
  const budget = new WindowBudget({ capBytes: config.pool.window, eachBytes: config.pool.download_window });
  const register = new Register();
  const health = new Health(clock);
  owned.use(
    neighbourhood.presence.onChange((id, came) => {
      if (came) health.reached(id);
    }),
  );
  const seats = new OriginSeats({
    origin: config.pool.origin_connections,
    line: config.pool.origin_line_connections,
  });
  const pooled = pooling(
    {
      enabled: config.pool.enabled,
      minBytes: config.pool.min_size,
      minSavingMs: config.pool.min_saving,
      settings: planSettings(config.pool),
      silenceTimeout: config.line.response_timeout,
    },
    { clock, events, budget, ownLine, neighbours: lines, health, seats, register, integrity },
  );

  const proxy = owned.use(
    await Proxy.open(
      {
        listen: config.proxy.listen,
        clients: config.proxy.clients,
        linkHosts: config.link.listen.map(hostOf),
        maxConnections: config.proxy.max_connections,
        maxHeaderBytes: config.proxy.max_header_bytes,
        headerTimeout: config.proxy.header_timeout,
        idleTimeout: config.proxy.idle_timeout,
        tunnelIdleTimeout: config.proxy.tunnel_idle_timeout,
        responseTimeout: config.line.response_timeout,
        dial,
        pseudonym: newPseudonym(),
        forbidden: (authority) => ourDoors.has(authority),
      },
      { clock, events, ...pooled },
    ),
  );
  let controlAddress = config.control.listen;
  const gateway = new PathGateway({
    link: neighbourhood.client,
    leases,
    path: (id) => lines.byId(id),
    clock,
    seats,
  });
  const opened = new HouseholdDesk({
    version,
    name,
    clock,
    events,
    neighbourhood,
    trust,
    caught,
    lender,
    steward,
    ownLine,
    register,
    health,
    reported: new ReportedDownloads(clock),
    budget,
    proxy,
    gateway,
    receipts: leases,
    controlAddress: () => controlAddress,
    stop: (reason) => {
      events.report({ kind: 'daemon_stopping', reason });
      end();
    },
  });
  desk = opened;
  const control = owned.use(
    await openControl({
      listen: config.control.listen,
      token: openToken(stateDir),
      desk: opened,
      gateway,
      clock,
    }),
  );
  controlAddress = control.address;
  const proxyAddresses = proxy.addresses.map(formatAuthority);
  for (const door of [controlAddress, ...proxyAddresses, ...neighbourhood.listening])
    ourDoors.add(parseAuthority(door));
  owned.use(
    publishRunFile(stateDir, {
      pid: process.pid,
      control: controlAddress,
      proxy: proxyAddresses,
      link: [...neighbourhood.addresses()],
    }),
  );
  events.report({ kind: 'daemon_started', version, household: neighbourhood.id });
  const rooms = owned.move();
  const reload = ({ lend }: Config): void => configured.readAgain(lendSettings(lend), lend.neighbours ?? {});
  return { desk: opened, ended, reload, [Symbol.asyncDispose]: () => rooms.disposeAsync() };
}

async function makeStateDir(stateDir: string): Promise<void> {
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await chmod(stateDir, 0o700);
  } catch (error) {
    throw new LinepoolError('state_unusable', `${stateDir} (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}
