import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkCommands, netemWords, receivedOf } from '../../lab/wire/netem.ts';
import { chooseWire } from '../../lab/wire/wires.ts';

const words = (...args: Parameters<typeof netemWords>): string => netemWords(...args).join(' ');

test('rate, delay, jitter, loss and queue are told to netem in its units', () => {
  const shape = { rate: 6_250_000, delayMs: 10, jitterMs: 4, loss: 0.005, queueBytes: 625_000 };
  // 625,000 bytes wait, and 87,500 are under way.
  assert.equal(words(shape, false), 'netem limit 475 delay 12000us 2000us loss 0.5% rate 50000000bit -14');
});

test('what is not asked for is not told', () => {
  assert.equal(words({}, false), 'netem limit 100000 delay 0us');
  assert.equal(words({ rate: 1500, delayMs: 1 }, false), 'netem limit 1 delay 1000us rate 12000bit -14');
});

test('a way that stalls loses all, whatever it lost before', () => {
  assert.equal(words({ loss: 0.01, delayMs: 5 }, true), 'netem limit 100000 delay 5000us loss 100%');
});

test('a line is a pair of devices that take whatever the other sends', () => {
  const [add, ...set] = linkCommands({ ns: 'a', device: 'line1' }, { ns: 'b', device: 'wan' });
  assert.deepEqual(add, { ns: 'a', ip: ['link add line1 type veth peer name wan netns b'] });
  assert.deepEqual(
    set.map(({ ns }) => ns),
    ['a', 'b'],
  );
  const [one, other] = set.map(({ ip }) => /address (\S+) arp off/.exec(ip.join())?.[1]);
  assert.ok(one !== undefined && one === other);
});

test('bytes are counted without the headers of Ethernet', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:       0       0    0    0    0     0          0         0        0       0    0
   wan: 1514000    1000    0    0    0     0          0         0    66000    1000    0
`;
  assert.deepEqual(receivedOf(text, 'wan'), { bytes: 1_500_000, packets: 1000 });
  assert.deepEqual(receivedOf(text, 'an'), { bytes: 0, packets: 0 });
});

test('netem is used where it is, unless another wire is asked for', () => {
  assert.equal(chooseWire(undefined, true), 'netem');
  assert.equal(chooseWire(undefined, false), 'tun');
  assert.equal(chooseWire('tun', true), 'tun');
  assert.equal(chooseWire('netem', true), 'netem');
  assert.throws(() => chooseWire('netem', false), /modprobe sch_netem/);
  assert.throws(() => chooseWire('string', true), /must be netem or tun, not "string"/);
});
