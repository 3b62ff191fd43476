/**
 * Where the process begins: hands the command line the rooms that it may need, each loaded when it is asked for.
 */
import meta from '../package.json' with { type: 'json' };
import { run } from './cli/program.ts';

process.exitCode = await run(process.argv.slice(2), {
  version: meta.version,
  openDaemon: async () => (await import('./daemon.ts')).openDaemon,
  openEngine: async () => (await import('./cli/get/run.ts')).openEngine,
  registerDemo: async () => (await import('./demo/commands.ts')).registerDemo,
});
