/**
 * Pairing without an invitation, blocking, and the household's identity, on the command line: their commands and options. What they
 * do is imported when one is asked for.
 */
import type { Command } from 'commander';
import type { Clock } from '../core/clock.ts';
import type { IdentityFlags } from './identity.ts';
import type { PairFlags } from './pairing.ts';
import type { Print } from './table.ts';

type Placed = (command: Command) => Command;

/** `placed` adds the options that every command has. */
export function addPairingCommands(program: Command, placed: Placed, print: Print, clock: Clock): void {
  const room = () => import('./pairing.ts');
  placed(program.command('visible'))
    .description('let routers nearby find this one for a while, and ask to pair')
    .option('--for <time>', 'such as "5 min", at most 1 h (default: "10 min")')
    .option('--off', 'be found no more, at once')
    .action(async (flags: PairFlags & { for?: string; off?: boolean }) =>
      (await room()).visible(flags, print, clock),
    );
  placed(program.command('discover'))
    .description('list the routers nearby that wish to be found')
    .action(async (flags: PairFlags) => (await room()).discover(flags, print));
  const pair = program.command('pair').description('pair without an invitation, by comparing a number');
  placed(pair.command('with', { isDefault: true }))
    .description('ask a router to pair; without one, show what is under way')
    .argument('[router]', 'a name that `linepool discover` shows, or host:port')
    .action(async (router: string | undefined, flags: PairFlags) =>
      (await room()).pairWith(router, flags, print, clock),
    );
  placed(pair.command('confirm'))
    .description('say which number the other side shows; waits for its people')
    .argument('<number...>', 'six digits, as the other side shows them')
    .option('--name <name>', 'what to call the neighbour (default: what it calls itself)')
    .action(async (number: readonly string[], flags: PairFlags & { name?: string }) =>
      (await room()).confirm(number.join(' '), flags, print, clock),
    );
  placed(pair.command('reject'))
    .description('end it: the numbers differ, or nobody here wants to pair')
    .action(async (flags: PairFlags) => (await room()).reject(flags, print));
  placed(program.command('block'))
    .description('part from a neighbour, at once, and keep it out')
    .argument('<name>', 'its name or id; of a household that is no neighbour the whole id')
    .action(async (name: string, flags: PairFlags) => (await room()).block(name, flags, print));
  placed(program.command('unblock'))
    .description('let a blocked household pair again')
    .argument('<name>', 'its name or id')
    .action(async (name: string, flags: PairFlags) => (await room()).unblock(name, flags, print));
}

export function addIdentityCommands(program: Command, placed: Placed, print: Print, clock: Clock): void {
  const room = () => import('./identity.ts');
  const identity = program
    .command('identity')
    .description('who this household is to its neighbours: its key, and copies of it');
  const sealed = (command: Command): Command =>
    placed(command).option(
      '--passphrase-file <file>',
      'its first line (default: LINEPOOL_PASSPHRASE, else it is asked for)',
    );
  placed(identity.command('show', { isDefault: true }))
    .description('show the id, and how many keys came before')
    .action(async (flags: IdentityFlags) => (await room()).show(flags, print));
  placed(identity.command('rotate'))
    .description(
      'make a new key; neighbours learn of it when they meet, and stay paired. Stop the daemon first',
    )
    .action(async (flags: IdentityFlags) => (await room()).rotate(flags, print, clock));
  sealed(identity.command('backup'))
    .description('write key and neighbours to a file, encrypted')
    .argument('<file>', 'must not exist')
    .action(async (file: string, flags: IdentityFlags) => (await room()).backup(file, flags, print, clock));
  sealed(identity.command('restore'))
    .description('take key and neighbours from such a file. Stop the daemon first')
    .argument('<file>')
    .option('--force', 'although there is an identity here: it is gone then')
    .action(async (file: string, flags: IdentityFlags & { force?: boolean }) =>
      (await room()).restore(file, flags, print),
    );
}
