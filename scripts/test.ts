/**
 * What `npm test` runs: every test, in files of their own processes, two at once. At the end it says what was
 * left out, why, and the command that would enable it. With LINEPOOL_NOTHING_LEFT_OUT=1 that is a failure.
 *
 *     node scripts/test.ts [glob …]
 */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import {
  findPrograms,
  LEFT_OUT,
  PACKAGE_OF,
  PROGRAMS_VARIABLE,
  type Program,
} from '../test/support/programs.ts';

/** A test that takes longer hangs; the longest ones build, or download at the rate of a line. */
const TEST_LIMIT_MS = 180_000;
const FILES_AT_ONCE = 2;

interface LeftOut {
  readonly test: string;
  readonly why: string;
}

process.env[PROGRAMS_VARIABLE] = JSON.stringify(findPrograms());
const globs = process.argv.slice(2);
const leftOut: LeftOut[] = [];
let passed = 0;
let failed = 0;

const events = run({
  globPatterns: globs.length > 0 ? globs : ['test/**/*.test.ts'],
  concurrency: FILES_AT_ONCE,
  timeout: TEST_LIMIT_MS,
});
events.on('test:pass', (event) => {
  if (event.details.type === 'suite') return;
  if (event.skip === undefined) passed += 1;
  else leftOut.push({ test: event.name, why: String(event.skip === true ? 'no reason given' : event.skip) });
});
events.on('test:fail', (event) => {
  if (event.details.type !== 'suite') failed += 1;
});
for await (const piece of events.compose(spec)) process.stdout.write(piece);

if (leftOut.length > 0) {
  console.log(`\nLeft out:`);
  for (const { test, why } of leftOut) console.log(`  ${test}\n    ${why}`);
  const packages = new Set(
    leftOut.flatMap(({ why }) =>
      why.startsWith(LEFT_OUT)
        ? why
            .slice(LEFT_OUT.length)
            .split(', ')
            .map((program) => PACKAGE_OF[program as Program])
        : [],
    ),
  );
  if (packages.size > 0) console.log(`To run them too: apt-get install ${[...packages].join(' ')}`);
}
const strict = process.env['LINEPOOL_NOTHING_LEFT_OUT'] === '1';
if (strict && leftOut.length > 0)
  console.log('\nNothing was to be left out (LINEPOOL_NOTHING_LEFT_OUT=1): that is a failure.');
if (passed === 0) console.log('\nNo test was run: that is a failure.');
console.log(`\n${passed} passed, ${failed} failed, ${leftOut.length} left out`);
process.exitCode = failed > 0 || passed === 0 || (strict && leftOut.length > 0) ? 1 : 0;
