/**
 * Loaded into the lender's process before its own code (`node --import`): of the answers to receipts, one is forged, and what it was is
 * written into a file, line by line. The daemon itself does not know of it, and has the honest receipt on record.
 *
 * What is asked for is in the query of this module's address: ?state=FOLDER&log=FILE&seed=NUMBER, and &only=LIE for
 * one lie of answers.ts. It must change nothing else.
 */
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { ServerResponse } from 'node:http';
import { parseReceipt } from '../../src/ledger/receipt.ts';
import { PATHS } from '../../src/neighbours/channel.ts';
import { loadIdentity } from '../../src/neighbours/identity.ts';
import type { ReceiptAnswer } from '../../src/neighbours/messages.ts';
import { Dice } from '../../test/support/mutations.ts';
import { type Answer, forgedAnswer, HONEST, type Line } from './answers.ts';

const query = new URL(import.meta.url).searchParams;
const log = query.get('log') ?? '';
/** Each life of the lender forges otherwise. */
const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').length : 0;
const dice = new Dice(Number(query.get('seed')) + lines);
const other = generateKeyPairSync('ed25519').privateKey;
/** Answered honestly by this process, oldest first. */
const honest: string[] = [];
let forged = false;

const write = (line: Line): void => appendFileSync(log, `${JSON.stringify(line)}\n`);

async function answerInstead(text: string): Promise<Answer> {
  const answer = JSON.parse(text) as ReceiptAnswer;
  const { lease } = parseReceipt(answer.receipt);
  // From the first one on, or from one of the next: what was taken before is on record then.
  if (forged || dice.below(2) === 0) {
    honest.push(answer.receipt);
    write({ says: HONEST, lender: answer.receipt, lease });
    return { status: 200, text };
  }
  forged = true;
  const { privateKey: own } = await loadIdentity(query.get('state') ?? '');
  const lie = forgedAnswer(answer, { keys: { own, other }, honest, dice }, query.get('only') ?? undefined);
  write({ says: lie.says, lender: lie.isSigned ? answer.receipt : '', lease });
  return lie;
}

type WriteHead = (this: ServerResponse, status: number, headers: readonly string[]) => ServerResponse;
type End = (this: ServerResponse, body: string) => ServerResponse;
interface Sending {
  writeHead: WriteHead;
  end: End;
}
const sending = ServerResponse.prototype as unknown as Sending;
const { writeHead, end } = sending;
const held = new WeakSet<ServerResponse>();

sending.writeHead = function (...head) {
  if (this.req.url !== PATHS.receipt || head[0] !== 200) return writeHead.apply(this, head);
  held.add(this);
  return this;
};
sending.end = function (...body) {
  if (!held.delete(this)) return end.apply(this, body);
  void answerInstead(body[0]).then(({ status, text }) => {
    const length = String(Buffer.byteLength(text));
    writeHead.call(this, status, ['Content-Type', 'application/json', 'Content-Length', length]);
    end.call(this, text);
  });
  return this;
};
