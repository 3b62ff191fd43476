/**
 * The routes of pairing without an invitation, and of blocking. A part of the table in routes.ts.
 */
import type { z } from 'zod';
import { created, done, ok, read } from './answers.ts';
import { ConfirmNumberRequest, type DiscoveredRouters, PairWithRequest, VisibleRequest } from './pairing.ts';
import type { Route } from './routes.ts';

export const PAIRING_ROUTES: readonly Route[] = [
  {
    path: '/v1/visible',
    methods: {
      PUT: async ({ desk, body }) => ok(await desk.pairing.show(read(VisibleRequest, body))),
      DELETE: async ({ desk }) => {
        await desk.pairing.hide();
        return ok(done);
      },
    },
  },
  {
    path: '/v1/discovered',
    methods: {
      GET: async ({ desk }) =>
        ok((await desk.pairing.discover()) satisfies z.output<typeof DiscoveredRouters>),
    },
  },
  {
    path: '/v1/pairing',
    methods: {
      GET: ({ desk }) => ok(desk.pairing.pairing()),
      POST: async ({ desk, body }) => created(await desk.pairing.pairWith(read(PairWithRequest, body).with)),
      PATCH: async ({ desk, body }) => ok(await desk.pairing.confirmNumber(read(ConfirmNumberRequest, body))),
      DELETE: ({ desk }) => ok(desk.pairing.rejectNumber()),
    },
  },
  {
    path: '/v1/blocked/*',
    methods: {
      PUT: async ({ desk, name }) => ok(await desk.pairing.block(name)),
      DELETE: async ({ desk, name }) => ok(await desk.pairing.unblock(name)),
    },
  },
];
