/**
 * `linepool lend` on the command line: its commands and their options. What they do is imported when one is asked for.
 */
import type { Command } from 'commander';
import type { LendFlags, NeighbourFlags } from './lend.ts';
import type { Print } from './table.ts';

/** `placed` adds the options that every command has. */
export function addLendCommands(program: Command, placed: (command: Command) => Command, print: Print): void {
  const lend = program.command('lend').description('show and change what is lent to neighbours');
  const room = () => import('./lend.ts');
  placed(lend.command('show', { isDefault: true }))
    .description('show what is lent now, why not more, and every setting')
    .action(async (flags: LendFlags) => (await room()).show(flags, print));
  placed(lend.command('set'))
    .description('change a setting of [lend], at once; kept over restarts')
    .argument('<key>', 'such as share_percent, rate, keep, enabled')
    .argument('<value>', 'with its unit, such as "20 Mbit/s"; none: no such limit')
    .action(async (key: string, value: string, flags: LendFlags) =>
      (await room()).set(key, value, flags, print),
    );
  placed(lend.command('unset'))
    .description('use what the configuration file says again')
    .argument('<key>')
    .action(async (key: string, flags: LendFlags) => (await room()).unset(key, flags, print));
  placed(lend.command('pause'))
    .description('lend nothing, at once')
    .option('--for <time>', 'such as "1 h" (default: until it is resumed)')
    .action(async (flags: LendFlags & { for?: string }) => (await room()).pause(flags, print));
  lend
    .command('marks')
    .description('print nftables rules that put what is carried for neighbours into the lowest queue')
    .action(async () => (await import('./marks.ts')).markRules().forEach(print));
  placed(lend.command('resume'))
    .description('end the pause')
    .action(async (flags: LendFlags) => (await room()).resume(flags, print));
  placed(lend.command('hours'))
    .description('parts of the day with a share of their own, local time')
    .argument('<part...>', 'such as "01:00-06:00 100 %"; none: no such parts')
    .action(async (parts: string[], flags: LendFlags) => (await room()).hours(parts, flags, print));
  placed(lend.command('quota'))
    .description('how much is carried at most')
    .option('--day <size>', 'such as "20 GB", or none')
    .option('--month <size>', 'such as "200 GB", or none')
    .action(async (flags: LendFlags & { day?: string; month?: string }) =>
      (await room()).quota(flags, print),
    );
  placed(lend.command('neighbour'))
    .description('what holds for one neighbour')
    .argument('<name>', 'its name or id')
    .option('--allow', 'it may borrow')
    .option('--deny', 'it may not')
    .option('--weight <number>', 'against that of others, 0.1 to 10, or usual')
    .option('--rate <rate>', 'ceiling, such as "5 Mbit/s", or usual')
    .option('--rate-up <rate>', 'the same for what it sends')
    .option('--usual', 'nothing is set for it any more: as the configuration file has it')
    .option('--quota-day <size>', 'such as "5 GB", or usual')
    .option('--quota-month <size>', 'such as "50 GB", or usual')
    .action(async (name: string, flags: NeighbourFlags) => (await room()).neighbour(name, flags, print));
}
