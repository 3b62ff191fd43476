/**
 * Asking the person at the terminal: a line, or a passphrase that is not shown. Used by commands that need an answer to go on.
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { LinepoolError } from '../core/errors.ts';

/** @throws LinepoolError `interrupted` when the input ends */
export function askLine(question: string): Promise<string> {
  return ask(question, process.stderr);
}

/** What is typed is not shown. @throws LinepoolError `interrupted` when the input ends */
export async function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    return await ask(question, nowhere);
  } finally {
    process.stderr.write('\n');
  }
}

async function ask(question: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY });
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onEnd = (): void => reject(new LinepoolError('interrupted'));
  lines.once('close', onEnd);
  lines.once('SIGINT', onEnd);
  try {
    // The question after the terminal has stopped to show what is typed, or the first characters could be seen.
    if (output !== process.stderr) process.stderr.write(question);
    return await Promise.race([lines.question(output === process.stderr ? question : ''), ended]);
  } finally {
    lines.off('close', onEnd);
    lines.close();
  }
}
