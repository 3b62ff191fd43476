/**
 * The run file: STATE/control.json says that a daemon runs on this state folder and where it listens. The daemon
 * writes it when it is ready and removes it at its end; clients read it. It is a notice, not a lock: see lock.ts.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';

const RunFile = z.object({
  pid: z.int().min(1),
  /** `host:port` of the control API. */
  control: z.string().regex(/^(\[[0-9a-f:.]+\]|[0-9.]+):\d{1,5}$/i),
  proxy: z.array(z.string()),
  link: z.array(z.string()),
});
export type RunFile = z.output<typeof RunFile>;

export const runFile = (stateDir: string): string => join(stateDir, 'control.json');

/**
 * Published until disposed of. Written beside and renamed, so that a reader sees all of it or none.
 * @throws LinepoolError `state_unusable`
 */
export function publishRunFile(stateDir: string, running: RunFile): Disposable {
  const file = runFile(stateDir);
  try {
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, `${JSON.stringify(running)}\n`, { mode: 0o600 });
    renameSync(fresh, file);
  } catch (error) {
    throw new LinepoolError('state_unusable', `${file}: ${(error as Error).message}`, { cause: error });
  }
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

/**
 * What the run file says; undefined when there is none, or none that makes sense.
 * @throws LinepoolError `token_refused` when it may not be read
 */
export function readRunFile(stateDir: string): RunFile | undefined {
  const file = runFile(stateDir);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new LinepoolError(
      'token_refused',
      `${file} can not be read (${code}): does the daemon run as another user?`,
      { cause: error },
    );
  }
  try {
    return RunFile.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** True when the process is there, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
