/**
 * `linepool origins` on the command line: its commands. What they do is imported when one is asked for.
 */
import type { Command } from 'commander';
import type { Clock } from '../core/clock.ts';
import type { OriginFlags } from './origins.ts';
import type { Print } from './table.ts';

/** `placed` adds the options that every command has. */
export function addOriginCommands(
  program: Command,
  placed: (command: Command) => Command,
  print: Print,
  clock: Clock,
): void {
  const all = program.command('origins').description('the servers that are left alone for a while');
  const room = () => import('./origins.ts');
  placed(all.command('list', { isDefault: true }))
    .description('list them, with why and for how long')
    .action(async (flags: OriginFlags) => (await room()).origins(flags, print, clock));
  placed(all.command('forget'))
    .description('treat a server as if it had refused nothing')
    .argument('<host>', 'its name, its name and port, or its whole address')
    .action(async (host: string, flags: OriginFlags) => (await room()).forget(host, flags, print));
}
