/**
 * The overrides' file: what was set live, in `lend.json` in the state folder. Read and written by the steward. A file that
 * can't be understood is refused, never replaced: it may be what keeps the line from being lent.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { readStateFile, writeStateFile } from '../neighbours/state-file.ts';
import { NO_OVERRIDES, type Overrides } from './settings.ts';

const FILE_NAME = 'lend.json';

const value = z.union([z.boolean(), z.number(), z.string(), z.array(z.string()), z.array(z.number())]);
const limit = z.union([z.number(), z.literal('none')]);
const File = z.strictObject({
  version: z.literal(1),
  set: z.record(z.string(), value),
  pause: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('until'), until: z.number() }),
    z.strictObject({ kind: z.literal('for_good') }),
  ]),
  neighbours: z.record(
    z.string(),
    z.strictObject({
      allow: z.boolean().optional(),
      weight: z.number().optional(),
      rate: limit.optional(),
      rate_up: limit.optional(),
      quota_day: limit.optional(),
      quota_month: limit.optional(),
    }),
  ),
});

/** @throws LinepoolError `state_unusable` */
export async function readOverrides(stateDir: string): Promise<Overrides> {
  const file = join(stateDir, FILE_NAME);
  const text = await readStateFile(file);
  if (text === undefined) return NO_OVERRIDES;
  const result = File.safeParse(jsonOf(text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new LinepoolError(
    'state_unusable',
    `${file} is damaged (${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}). ` +
      'It was left as it is: restore it from a backup, or move it away to lend as the configuration says.',
  );
}

/** @throws LinepoolError `state_unusable` */
export function writeOverrides(stateDir: string, overrides: Overrides): Promise<void> {
  const { set, pause, neighbours } = overrides;
  const text = JSON.stringify({ version: 1, set, pause, neighbours }, null, 2);
  return writeStateFile(join(stateDir, FILE_NAME), `${text}\n`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema says that it is not what it should be.
    return undefined;
  }
}
