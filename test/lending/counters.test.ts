import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  counted,
  defaultInterface4,
  defaultInterface6,
  interfaceCounters,
} from '../../src/lending/counters.ts';

const ROUTE = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
br-lan	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
wwan0	00000000	010200C0	0003	0	0	700	00000000	0	0	0
pppoe-wan	00000000	00000000	0001	0	0	0	00000000	0	0	0
dead0	00000000	00000000	0201	0	0	0	00000000	0	0	0
`;
const ROUTE6 = `fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003 wan6
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;
const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 424588728485 48647587    0    0    0     0          0         0 424588728485 48647587    0    0    0     0       0          0
eth0.2:2113593885   49138    0    0    0     0          0         0  3155297   30384    0    0    0     0       0          0
  bad0: x y
`;

test('the interface that leads to the Internet is that of the default route with the least metric', () => {
  assert.equal(defaultInterface4(ROUTE), 'pppoe-wan');
  assert.equal(defaultInterface6(ROUTE6), 'wan6');
  assert.equal(defaultInterface4(''), undefined);
  assert.equal(defaultInterface6('nonsense\n\n'), undefined);
});

test('the counters of each interface, the name standing against the number too', () => {
  const found = interfaceCounters(DEV);
  assert.deepEqual([...found.keys()], ['lo', 'eth0.2']);
  assert.deepEqual(found.get('eth0.2'), { rx: 2_113_593_885n, tx: 3_155_297n });
});

test('whatever the text, nothing is thrown', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      interfaceCounters(text);
      defaultInterface4(text);
      defaultInterface6(text);
    }),
  );
});

test('a counter that wraps is counted on, at 32 and at 64 bits', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(32n, 64n),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.nat(1_000_000),
      (bits, under, over) => {
        assert.equal(counted(2n ** bits - BigInt(under), BigInt(over), 100), under + over);
      },
    ),
  );
  assert.equal(counted(5n, 2n ** 32n + 5n, 10_000), 2 ** 32);
});

test('one that jumps, or begins anew, says so', () => {
  assert.equal(counted(0n, 10n ** 12n, 100), undefined);
  assert.equal(counted(10n ** 12n, 0n, 100), undefined);
  assert.equal(counted(1_000_000_000n, 0n, 100), undefined);
  assert.equal(counted(7n, 7n, 100), 0);
});
