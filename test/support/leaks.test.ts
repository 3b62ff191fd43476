import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { watchLeaks } from './leaks.ts';
import { startTestOrigin } from './origin.ts';

const listen = async (): Promise<Server> => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

/** Each makes something and returns what ends it. */
const leaks: Record<string, { kind: RegExp; make: () => Promise<() => unknown> }> = {
  'a server': {
    kind: /TCPServerWrap x 1/,
    make: async () => {
      const server = await listen();
      return () => server.close();
    },
  },
  'a connection': {
    kind: /TCPSocketWrap x/,
    make: async () => {
      const server = await listen();
      const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
      await once(socket, 'connect');
      return () => {
        socket.destroy();
        server.close();
      };
    },
  },
  'a timer': {
    kind: /Timeout x 1/,
    make: async () => {
      const timer = setInterval(() => undefined, 60_000);
      return () => clearInterval(timer);
    },
  },
  'a child process': {
    kind: /ProcessWrap x 1/,
    make: async () => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1e6)'], { stdio: 'ignore' });
      return () => child.kill('SIGKILL');
    },
  },
};

for (const [name, { kind, make }] of Object.entries(leaks)) {
  test(`${name} left behind is noticed, and one that was ended is not`, async () => {
    const watch = watchLeaks();
    const end = await make();
    await assert.rejects(async () => await watch[Symbol.asyncDispose](), kind);
    end();
    await watch[Symbol.asyncDispose]();
  });
}

test('an origin that was used and ended leaves nothing', async () => {
  await using _ = watchLeaks();
  await using origin = await startTestOrigin();
  const response = await fetch(origin.url('/file/100'));
  assert.equal((await response.arrayBuffer()).byteLength, 100);
});
