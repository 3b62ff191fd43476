/**
 * What handlers of the control API answer with, and how they read what was sent. Used by the tables of routes.
 */
import type { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Answer } from './routes.ts';
import type { Done } from './schema.ts';

export const ok = (body: unknown): Answer => ({ status: 200, body });
export const created = (body: unknown): Answer => ({ status: 201, body });
export const done = { done: true } satisfies z.output<typeof Done>;

/** @throws LinepoolError `bad_request`, naming each key that is wrong */
export function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const complaints = result.error.issues.map((issue) =>
    issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`,
  );
  throw new LinepoolError('bad_request', complaints.join('; '));
}
