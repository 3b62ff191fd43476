/**
 * `npm run attack`: composes the attacks that there are, and hands them to the command line. Nothing else.
 */

import { alterDigest, alterHttps, alterSampling } from './alter.ts';
import { AttackError } from './attack.ts';
import { attackCommand } from './command.ts';
import { leaseUse } from './lease-use.ts';
import { ledgerExport, ledgerFile, ledgerKills, ledgerSize } from './ledger.ts';
import { lenderKills } from './lender-kills.ts';
import { receiptsAnswered } from './receipts-answered.ts';
import { receiptsCost } from './receipts-cost.ts';
import { receiptsUse } from './receipts-use.ts';
import { ssrf } from './ssrf.ts';
import { leases, receipts } from './tokens.ts';

const ATTACKS = [
  alterHttps,
  alterDigest,
  alterSampling,
  leases,
  receipts,
  leaseUse,
  receiptsUse,
  receiptsAnswered,
  ssrf,
  ledgerFile,
  ledgerExport,
  ledgerKills,
  lenderKills,
  ledgerSize,
  receiptsCost,
];

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => interrupt.abort(new AttackError('Interrupted.')));
}
// Who reads has had enough, as `head` has.
process.stdout.on('error', () => undefined);

process.exitCode = await attackCommand(ATTACKS, process.argv.slice(2), {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  signal: interrupt.signal,
});
