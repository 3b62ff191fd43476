/**
 * Routes: what each path and method of the control API does, as a table. api.ts has settled access and read the
 * body before it calls a handler; a handler returns what is sent as JSON, or throws a LinepoolError.
 */
import type { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { created, done, ok, read } from './answers.ts';
import type { Desk } from './desk.ts';
import { missed } from './event-stream.ts';
import type { RememberedOrigins } from './origins.ts';
import { PAIRING_ROUTES } from './pairing-routes.ts';
import { DownloadReport } from './reported.ts';
import {
  type Downloads,
  type EventList,
  InviteRequest,
  JoinRequest,
  LendNeighbourRequest,
  LendRequest,
  type Neighbours,
  type Offers,
  RenameRequest,
  TrustRequest,
  type Verdicts,
} from './schema.ts';

export interface Call {
  readonly desk: Desk;
  /** What the `*` of the route's path stands for, decoded; empty when it has none. */
  readonly name: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Done once the answer is on its way. */
  readonly afterwards?: () => void;
}

type Handler = (call: Call) => Answer | Promise<Answer>;

export interface Route {
  /** `*` is one path segment. */
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

export const ROUTES: readonly Route[] = [
  { path: '/v1/status', methods: { GET: ({ desk }) => ok(desk.status()) } },
  {
    path: '/v1/downloads',
    methods: {
      GET: ({ desk }) => ok({ downloads: [...desk.downloads()] } satisfies z.output<typeof Downloads>),
    },
  },
  {
    path: '/v1/downloads/*',
    methods: {
      GET: ({ desk, name }) => {
        const download = desk.downloads().find(({ id }) => id === name);
        if (download === undefined)
          throw new LinepoolError('not_found', `(no download ${JSON.stringify(name)})`);
        return ok(download);
      },
      PUT: ({ desk, name, body }) => {
        desk.report(name, read(DownloadReport, body));
        return ok(done);
      },
    },
  },
  {
    path: '/v1/verdicts',
    methods: {
      GET: ({ desk }) => ok({ verdicts: [...desk.verdicts()] } satisfies z.output<typeof Verdicts>),
    },
  },
  {
    path: '/v1/neighbours',
    methods: {
      GET: ({ desk }) =>
        ok({
          neighbours: [...desk.neighbours()],
          blocked: [...desk.pairing.blocked()],
        } satisfies z.output<typeof Neighbours>),
      POST: async ({ desk, body }) => created(await desk.join(read(JoinRequest, body))),
    },
  },
  {
    path: '/v1/neighbours/*',
    methods: {
      DELETE: async ({ desk, name }) => {
        await desk.part(name);
        return ok(done);
      },
      PATCH: async ({ desk, name, body }) => ok(await desk.rename(name, read(RenameRequest, body).name)),
    },
  },
  ...PAIRING_ROUTES,
  {
    path: '/v1/trust/*',
    methods: {
      PATCH: async ({ desk, name, body }) => ok(await desk.trust(name, read(TrustRequest, body))),
    },
  },
  {
    path: '/v1/offers',
    methods: { GET: ({ desk }) => ok({ offers: [...desk.offers()] } satisfies z.output<typeof Offers>) },
  },
  {
    path: '/v1/origins',
    methods: {
      GET: ({ desk }) => ok({ origins: [...desk.origins()] } satisfies z.output<typeof RememberedOrigins>),
    },
  },
  {
    path: '/v1/origins/*',
    methods: {
      DELETE: ({ desk, name }) => {
        desk.forgetOrigin(name);
        return ok(done);
      },
    },
  },
  {
    path: '/v1/lend',
    methods: {
      GET: ({ desk }) => ok(desk.lending()),
      PATCH: async ({ desk, body }) => ok(await desk.lend(read(LendRequest, body))),
    },
  },
  {
    path: '/v1/lend/*',
    methods: {
      PATCH: async ({ desk, name, body }) => ok(await desk.lendTo(name, read(LendNeighbourRequest, body))),
    },
  },
  {
    path: '/v1/invitations',
    methods: {
      POST: async ({ desk, body }) => created(await desk.invite(read(InviteRequest, body))),
    },
  },
  {
    // With ?follow=no; otherwise api.ts makes it a stream.
    path: '/v1/events',
    methods: {
      GET: ({ desk, query }) =>
        ok({ events: [...missed(desk.events, sinceOf(query, undefined))] } satisfies z.output<
          typeof EventList
        >),
    },
  },
  {
    path: '/v1/stop',
    methods: {
      POST: ({ desk }) => ({
        status: 202,
        body: done,
        afterwards: () => desk.stop('asked for over the control API'),
      }),
    },
  },
];

/** The route of a path as it came, and what `*` stands for; undefined when there is none. */
export function findRoute(path: string): { route: Route; name: string } | undefined {
  for (const route of ROUTES) {
    if (route.path === path) return { route, name: '' };
    if (!route.path.endsWith('*')) continue;
    const parent = route.path.slice(0, -1);
    const segment = path.startsWith(parent) ? path.slice(parent.length) : '';
    if (segment !== '' && !segment.includes('/')) return { route, name: decoded(segment) };
  }
  return undefined;
}

/** Where an event stream goes on: Last-Event-ID wins, since a browser that reconnects repeats the old query. */
export function sinceOf(query: URLSearchParams, lastEventId: string | undefined): number {
  const text = lastEventId ?? query.get('since') ?? '0';
  if (!/^\d{1,15}$/.test(text))
    throw new LinepoolError('bad_request', `since must be a number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new LinepoolError('bad_request', `${JSON.stringify(segment)} is not valid percent-encoding`, {
      cause: error,
    });
  }
}
