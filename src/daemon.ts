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
import type { Config } from './config.ts';
import { openToken } from './control/access.ts';
import { openControl } from './control/api.ts';
import type { Desk } from './control/desk.ts';
import { PathGateway } from './control/gateway.ts';
import { HouseholdDesk } from './control/household-desk.ts';
import { lockState } from './control/lock.ts';
import { logEvents } from './control/log.ts';
import { publishRunFile } from './control/runfile.ts';
import { systemClock } from './core/clock.ts';
import { LinepoolError } from './core/errors.ts';
import { Events } from './core/events.ts';
import { formatAuthority, parseAuthority } from './core/target.ts';
import { MIB } from './core/units.ts';
import type { PlanSettings } from './download/plan-state.ts';
import { Register } from './download/register.ts';
import { WindowBudget } from './download/window.ts';
import { LEASE_HEADER } from './lending/lease.ts';
import { LeaseSigner } from './lending/lease-signer.ts';
import { Lender } from './lending/lender.ts';
import { LineWatch } from './lending/line-watch.ts';
import type { LendSettings } from './lending/settings.ts';
import { Steward } from './lending/steward.ts';
import { UsageBook } from './lending/usage.ts';
import { loadIdentity } from './neighbours/identity.ts';
import { Neighbourhood } from './neighbours/neighbourhood.ts';
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

/** Of `address:port`, IPv6 in brackets; the port may be 0. */
const hostOf = (listen: string): string => listen.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');

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

  const ownLine = new OwnLine({
    dial,
    down: config.line.down,
    responseTimeout: config.line.response_timeout,
  });
  const lender = owned.use(
    new Lender(
      {
        ownId: identity.id,
        ports: config.lend.ports,
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
  let reached: Pick<Neighbourhood, 'reachedAt'> | undefined;
  const watch = new LineWatch({ interface: config.line.interface, clock });
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
        watch,
        linkedAt: () => reached?.reachedAt() ?? new Set(),
        ownBytes: () => desk?.ownBytes() ?? 0,
        lentUs: (id) => desk?.borrowedFrom(id) ?? 0,
      },
    ),
  );
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
  owned.use(
    neighbourhood.book.listen((change) => {
      if (change.kind !== 'removed') return;
      lender.drop(change.neighbour.id);
      // The disk may refuse: what was set for a household that is gone does no harm.
      steward.forget(change.neighbour.id).catch(() => undefined);
    }),
  );

  const signer = new LeaseSigner({ ownId: identity.id, privateKey: identity.privateKey, clock });
  const leases = {
    header: LEASE_HEADER,
    lease: signer.lease.bind(signer),
    used: signer.used.bind(signer),
    spoiled: signer.spoiled.bind(signer),
  };
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
      responseTimeout: config.line.response_timeout,
    }),
  );
  const budget = new WindowBudget({ capBytes: config.pool.window, eachBytes: config.pool.download_window });
  const register = new Register();
  const consider = pooling(
    {
      enabled: config.pool.enabled,
      minBytes: config.pool.min_size,
      minSavingMs: config.pool.min_saving,
      settings: planSettings(config.pool),
      silenceTimeout: config.line.response_timeout,
    },
    { clock, events, budget, ownLine, neighbours: lines, health: new Health(clock), register },
  );

  // The front door must not lead to our own other doors.
  const ourDoors = new OwnDoors();
  const proxy = owned.use(
    await Proxy.open(
      {
        listen: config.proxy.listen,
        clients: config.proxy.clients,
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
      { clock, events, consider },
    ),
  );
  let controlAddress = config.control.listen;
  const gateway = new PathGateway({
    link: neighbourhood.client,
    leases,
    path: (id) => lines.byId(id),
    clock,
  });
  const opened = new HouseholdDesk({
    version,
    name,
    clock,
    events,
    neighbourhood,
    lender,
    steward,
    ownLine,
    register,
    budget,
    proxy,
    gateway,
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
  for (const door of [parseAuthority(controlAddress), ...proxy.addresses]) ourDoors.add(door);
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
  return { desk: opened, ended, [Symbol.asyncDispose]: () => rooms.disposeAsync() };
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
