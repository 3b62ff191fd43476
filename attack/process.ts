/**
 * Runs a bench of this checkout and reads its figures. For attacks whose bar is about a cost. What it prints last is its JSON.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { AttackError } from './attack.ts';

/** @throws AttackError when the bench could not measure, with what it said last */
export async function benchFigures(
  name: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  const script = resolve(import.meta.dirname, `../bench/${name}.ts`);
  const child = spawn(process.execPath, [script, '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  await once(child, 'close');
  try {
    // A bench that missed a bar of its own exits with 1, and has its figures all the same.
    return JSON.parse(lastLine(out)) as unknown;
  } catch {
    throw new AttackError(`bench/${name}.ts gave no figures: ${lastLine(err)}`);
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
