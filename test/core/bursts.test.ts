import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { Bursts, GATHER_MS, IN_BURSTS, UNDELAYED_BYTES } from '../../src/core/bursts.ts';
import { systemClock } from '../../src/core/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A source that remembers whether it is paused, and the bursts over it. */
function setUp() {
  const clock = new FakeClock();
  const source = {
    paused: false,
    pauses: 0,
    pause: () => {
      source.paused = true;
      source.pauses += 1;
    },
    resume: () => {
      source.paused = false;
    },
  };
  return { clock, source, bursts: new Bursts(source, clock) };
}

describe('reading in bursts', () => {
  it('hands on the first bytes without a pause', () => {
    const { source, bursts, clock } = setUp();
    for (let came = 0; came < UNDELAYED_BYTES; came += 1_448) {
      clock.advance(1);
      bursts.came(1_448);
    }
    assert.equal(source.pauses, 0);
  });

  it('lets little pieces gather, then reads on', () => {
    const { source, bursts, clock } = setUp();
    bursts.came(UNDELAYED_BYTES);
    clock.advance(1);
    bursts.came(1_448);
    assert.equal(source.paused, true);
    clock.advance(GATHER_MS);
    assert.equal(source.paused, false);
    assert.equal(clock.pending, 0);
  });

  it('takes all that has gathered before it pauses again', () => {
    const { source, bursts, clock } = setUp();
    bursts.came(UNDELAYED_BYTES);
    clock.advance(1);
    bursts.came(1_448);
    clock.advance(GATHER_MS);
    for (let n = 0; n < 4; n += 1) bursts.came(16_384);
    assert.equal(source.paused, false);
  });

  it('never pauses a source that brings large pieces', () => {
    const { source, bursts, clock } = setUp();
    bursts.came(UNDELAYED_BYTES);
    for (let n = 0; n < 100; n += 1) {
      clock.advance(1);
      bursts.came(65_536);
    }
    assert.equal(source.pauses, 0);
  });

  it('stays paused while there is no room, however long it gathered', () => {
    const { source, bursts, clock } = setUp();
    bursts.came(UNDELAYED_BYTES);
    clock.advance(1);
    bursts.came(1_448);
    bursts.pause();
    clock.advance(GATHER_MS * 10);
    assert.equal(source.paused, true);
    bursts.resume();
    assert.equal(source.paused, false);
  });

  it('leaves the source read and no timer when it ends, but does not read it at once', async () => {
    const { source, bursts, clock } = setUp();
    bursts.came(UNDELAYED_BYTES);
    clock.advance(1);
    bursts.came(1_448);
    bursts[Symbol.dispose]();
    assert.equal(source.paused, true);
    await Promise.resolve();
    assert.equal(source.paused, false);
    assert.equal(clock.pending, 0);
  });

  it('is never left paused for good, and never read without room, whatever happens', () => {
    const happening = fc.oneof(
      fc.record({ kind: fc.constant('came'), n: fc.integer({ min: 1, max: 70_000 }) }),
      fc.record({ kind: fc.constant('wait'), n: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ kind: fc.constantFrom('full', 'room'), n: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 200 }), (all) => {
        const { source, bursts, clock } = setUp();
        let full = false;
        for (const { kind, n } of all) {
          if (kind === 'wait') clock.advance(n);
          else if (kind === 'full') {
            full = true;
            bursts.pause();
          } else if (kind === 'room') {
            full = false;
            bursts.resume();
          } else if (!source.paused) bursts.came(n);
          if (full) assert.equal(source.paused, true);
        }
        clock.advance(GATHER_MS);
        assert.equal(source.paused, full);
      }),
    );
  });

  it('loses nothing of a real socket', async () => {
    const packet = Buffer.alloc(1_448, 1);
    const packets = 1_500;
    const server = createServer({ noDelay: true }, (socket) => {
      let sent = 0;
      const next = (): void => {
        for (let n = 0; n < 5 && sent < packets; n += 1, sent += 1) socket.write(packet);
        if (sent < packets) setImmediate(next);
        else socket.end();
      };
      next();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1', ...IN_BURSTS });
    using bursts = new Bursts(socket, systemClock);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      bursts.came(chunk.length);
    });
    await once(socket, 'end');
    assert.equal(bytes, packets * packet.length);
    socket.destroy();
    server.close();
  });
});
