/**
 * What `npm run programs` runs: real programs download through the proxy of a real daemon, http and https, byte for
 * byte. One line for each: ok, left out (with the package that brings it), or failed. No network is used.
 *
 *     node scripts/real-programs.ts [PROGRAM …]
 */
import { needs, PACKAGE_OF } from '../test/support/programs.ts';
import { openSurroundings, PROGRAM_CASES } from '../test/support/real-programs.ts';

const wanted = process.argv.slice(2);
const cases = PROGRAM_CASES.filter(({ program }) => wanted.length === 0 || wanted.includes(program));
const width = Math.max(...cases.map(({ does }) => does.length));
await using here = await openSurroundings();
for (const { program, does, run } of cases) {
  const name = does.padEnd(width);
  if (needs(program).skip !== false) {
    console.log(`${name}  left out: ${program} is not here; apt-get install ${PACKAGE_OF[program]}`);
    continue;
  }
  try {
    console.log(`${name}  ok: ${await run(here)}`);
  } catch (error) {
    console.log(`${name}  FAILED: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
