/**
 * Failures: how the command line says that something did not work, and with which exit code it ends. Every error
 * comes through here, so that each says what happened, to what, and what to do.
 */
import { asLinepoolError, ERRORS } from '../core/errors.ts';

export interface Failure {
  /** For stderr, line breaks included. */
  readonly text: string;
  readonly exit: number;
}

/** What a thrown thing means to the person at the terminal; with `json` to a program: one object in one line. */
export function failureOf(thrown: unknown, json = false): Failure {
  const error = asLinepoolError(thrown);
  const { says, advice, exit } = ERRORS[error.code];
  if (json) {
    const { code, detail } = error;
    return { text: `${JSON.stringify({ code, says, detail, fix: advice, exit })}\n`, exit };
  }
  if (error.code === 'interrupted') return { text: `linepool: ${says} ${advice}\n`, exit };
  const what = error.detail === '' ? says : `${says} ${error.detail}`;
  const fault =
    error.code === 'internal' ? `${(error.cause as Error | undefined)?.stack ?? error.stack}\n` : '';
  return { text: `linepool: ${what}\n  ${advice}\n${fault}`, exit };
}
