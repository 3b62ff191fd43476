import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { connector, dial } from '../../src/paths/dial.ts';
import { LOWER_EFFORT, markLowerEffort } from '../../src/paths/lower-effort.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';

checkLeaksOfEach();

for (const host of ['127.0.0.1', '::1']) {
  test(`what is carried for others says so in every packet, and nothing else does: ${host}`, async () => {
    await using server = createServer((socket) => socket.resume()).listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const options = { pinned: new Map(), connectTimeout: 3_000 };
    const dialled = async (lowerEffort: boolean): Promise<number> => {
      const socket = await dial({ host, port }, { ...options, lowerEffort });
      const tos = socket.getTypeOfService();
      socket.destroy();
      return tos;
    };
    const connected = async (lowerEffort: boolean): Promise<number> => {
      const socket = await new Promise<Socket>((resolve, reject) => {
        connector({ ...options, lowerEffort })(
          { protocol: 'http:', hostname: host, port: String(port), host: '' },
          (error, made) => (error === null ? resolve(made) : reject(error)),
        );
      });
      const tos = socket.getTypeOfService();
      socket.destroy();
      return tos;
    };
    assert.deepEqual([await dialled(true), await connected(true)], [LOWER_EFFORT, LOWER_EFFORT]);
    assert.deepEqual([await dialled(false), await connected(false)], [0, 0]);
  });
}

test('a system that can not mark does without', () => {
  const socket = { setTypeOfService: () => assert.fail('ENOPROTOOPT') } as unknown as Socket;
  assert.equal(markLowerEffort(socket), false);
});
