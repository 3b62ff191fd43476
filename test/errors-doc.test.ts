/**
 * docs/errors.md is the table of errors, no more and no less. After a change of the table:
 *
 *     LINEPOOL_WRITE_DOCS=1 node --test test/errors-doc.test.ts
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../src/core/errors.ts';

const FILE = resolve(import.meta.dirname, '../docs/errors.md');

const OPENING = `# Errors

Every error has a code. The command line prints it with \`--json\` and ends with its exit code; the proxy answers
with its status, and with a \`Proxy-Status\` field (RFC 9209) where one is given. The table is that of
\`src/core/errors.ts\`; a test keeps the two equal.

Exit codes: 1 fault in linepool, 2 usage, 3 network, 4 the server's refusal, 5 integrity, 6 files, 7 daemon,
8 neighbours, 130 interrupted.

`;

/** Columns padded, as the formatter has them. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[], fill: string): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width, fill)).join(' | ')} |\n`;
  return rows.map((row, i) => line(row, ' ') + (i === 0 ? line([], '-') : '')).join('');
}

const rendered =
  OPENING +
  table([
    ['code', 'status', 'exit', 'Proxy-Status', 'what happened', 'what to do'],
    ...Object.entries(ERRORS).map(([code, { status, exit, proxyStatus, says, advice }]) => [
      `\`${code}\``,
      String(status),
      String(exit),
      proxyStatus ?? '',
      says,
      advice,
    ]),
  ]);

test('docs/errors.md is equal to the table of errors', () => {
  if (process.env['LINEPOOL_WRITE_DOCS'] === '1') writeFileSync(FILE, rendered);
  assert.equal(
    readFileSync(FILE, 'utf8'),
    rendered,
    'write it anew: LINEPOOL_WRITE_DOCS=1 node --test test/errors-doc.test.ts',
  );
});

test('every error says what happened and what to do, in sentences', () => {
  for (const [code, { status, exit, says, advice }] of Object.entries(ERRORS)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    for (const text of [says, advice]) assert.match(text, /^[A-Z].*[.]$/, code);
    assert.ok(!`${says}${advice}`.includes('|'), `${code}: a bar would break the table`);
    assert.ok(status >= 400 && status <= 599, `${code}: status ${status}`);
    assert.ok((exit >= 1 && exit <= 8) || exit === 130, `${code}: exit ${exit}`);
  }
});
