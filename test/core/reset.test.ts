/** A reset ends a connection whatever was done with it before. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { reset } from '../../src/core/reset.ts';

for (const halfClosed of [false, true]) {
  test(`the other side learns of it, ${halfClosed ? 'when our side is just being ended' : 'with both sides open'}`, async () => {
    await using server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const ours = connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      allowHalfOpen: true,
    });
    const [theirs] = (await once(server, 'connection')) as [Socket];
    const gone = new Promise((resolve) => theirs.once('close', resolve));
    theirs.on('error', () => undefined);
    ours.on('error', () => undefined);
    // More than fits on its way: it stands there until somebody ends it.
    theirs.write(Buffer.alloc(32_000_000));
    if (halfClosed) ours.end();
    reset(ours);
    await gone;
    assert.ok(theirs.destroyed);
  });
}
