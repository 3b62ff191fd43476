/** The command line over stub rooms, run by the tests as a process of its own. */
import { mkdirSync } from 'node:fs';
import { run } from '../../src/cli/program.ts';
import { openToken } from '../../src/control/access.ts';
import { openControl } from '../../src/control/api.ts';
import { lockState } from '../../src/control/lock.ts';
import { publishRunFile } from '../../src/control/runfile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { StubGateway } from '../control/served.ts';
import { StubDesk } from '../control/stub-desk.ts';
import { openPlainEngine } from './plain-engine.ts';

process.exitCode = await run(process.argv.slice(2), {
  version: '9.9.9',
  openDaemon: () =>
    Promise.resolve(async ({ config, stateDir }) => {
      mkdirSync(stateDir, { recursive: true });
      await using owned = new AsyncDisposableStack();
      owned.use(await lockState(stateDir));
      const desk = new StubDesk();
      desk.events.report({ kind: 'daemon_started', version: '9.9.9', household: 'zzzz-yyyy' });
      const stopped = new Promise<void>((resolve) => {
        desk.stop = () => resolve();
      });
      const server = owned.use(
        await openControl({
          listen: config.control.listen,
          token: openToken(stateDir),
          desk,
          gateway: new StubGateway(),
          clock: systemClock,
        }),
      );
      desk.control = server.address;
      owned.use(publishRunFile(stateDir, { pid: process.pid, control: server.address, proxy: [], link: [] }));
      const all = owned.move();
      return {
        desk,
        ended: stopped,
        reload: () => undefined,
        [Symbol.asyncDispose]: () => all.disposeAsync(),
      };
    }),
  openEngine: () => Promise.resolve(openPlainEngine),
  registerDemo: () =>
    Promise.resolve((program) => {
      program
        .command('demo')
        .option('--json')
        .option('--size <bytes>')
        .action((flags: object) => {
          console.log(JSON.stringify(flags));
        });
    }),
});
