/** A process that is visible on the addresses that it is given, until its input ends; it prints its name when it is. */
import { once } from 'node:events';
import { systemClock } from '../../src/core/clock.ts';
import { announce } from '../../src/neighbours/discovery.ts';

await using announcing = await announce(process.argv.slice(2), systemClock);
process.stdout.write(`${JSON.stringify({ name: announcing.pseudonym, at: announcing.at })}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
