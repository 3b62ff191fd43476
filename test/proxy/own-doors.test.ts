import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { describe, it } from 'node:test';
import { OwnDoors } from '../../src/proxy/own-doors.ts';

describe('our own doors', () => {
  it('are known in every spelling of their address', () => {
    const doors = new OwnDoors();
    doors.add({ host: '127.0.0.1', port: 7467 });
    doors.add({ host: '::1', port: 3128 });
    for (const host of ['127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1']) {
      assert.ok(doors.has({ host, port: 7467 }), host);
    }
    assert.ok(doors.has({ host: '0:0:0:0:0:0:0:1', port: 3128 }));
  });

  it('are not those of other ports, other addresses, or names', () => {
    const doors = new OwnDoors();
    doors.add({ host: '127.0.0.1', port: 7467 });
    for (const host of ['127.0.0.2', '192.0.2.1', 'localhost'])
      assert.ok(!doors.has({ host, port: 7467 }), host);
    assert.ok(!doors.has({ host: '127.0.0.1', port: 80 }));
  });

  it('on loopback are reached by connecting to no address in particular', () => {
    for (const loopback of ['127.0.0.1', '::1']) {
      const doors = new OwnDoors();
      doors.add({ host: loopback, port: 7467 });
      for (const host of ['0.0.0.0', '0.1.2.3', '::', '0:0:0:0:0:0:0:0', '::ffff:0.0.0.0', '::ffff:0:0']) {
        assert.ok(doors.has({ host, port: 7467 }), `${loopback} by ${host}`);
        assert.ok(!doors.has({ host, port: 80 }), host);
      }
    }
    const elsewhere = new OwnDoors();
    elsewhere.add({ host: '192.0.2.1', port: 7467 });
    assert.ok(!elsewhere.has({ host: '0.0.0.0', port: 7467 }));
  });

  it('that listen on every address are every address of this machine', () => {
    for (const wildcard of ['0.0.0.0', '::']) {
      const doors = new OwnDoors();
      doors.add({ host: wildcard, port: 3128 });
      const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
      for (const { address } of own) assert.ok(doors.has({ host: address, port: 3128 }), address);
      for (const host of ['127.9.9.9', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1'])
        assert.ok(doors.has({ host, port: 3128 }), host);
      assert.ok(!doors.has({ host: '192.0.2.1', port: 3128 }));
    }
  });

  it('are where they were when the addresses of this machine can not be read, and anywhere when they never could', () => {
    let canRead = true;
    const read = () => {
      if (!canRead) throw new Error('EMFILE');
      return { wan: [{ address: '192.0.2.7' }] };
    };
    const doors = new OwnDoors(read);
    doors.add({ host: '0.0.0.0', port: 3128 });
    canRead = false;
    assert.ok(doors.has({ host: '192.0.2.7', port: 3128 }));
    assert.ok(!doors.has({ host: '192.0.2.1', port: 3128 }));
    const never = new OwnDoors(read);
    never.add({ host: '0.0.0.0', port: 3128 });
    assert.ok(never.has({ host: '192.0.2.1', port: 3128 }));
  });
});
