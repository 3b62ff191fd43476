import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LEARN_FROM, LOST_MS } from '../../src/lending/delay.ts';
import { DelayProbe, nameServerIn, probed, questionFor } from '../../src/lending/delay-probe.ts';
import { ASK_IDLE_MS, ASK_LENT_MS, ASK_SOON_MS, DelayWatch } from '../../src/lending/delay-watch.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { until } from '../support/until.ts';

checkLeaksOfEach();

test('it asks soon until it knows what is usual, then seldom, and often while something is lent', () => {
  const clock = new FakeClock();
  const watch = new DelayWatch(clock);
  let asked = 0;
  watch.begin({
    ask: () => {
      asked += 1;
      watch.answered(10);
    },
  });
  const looks = (ms: number, isLent: boolean): number => {
    const before = asked;
    for (let left = ms; left > 0; left -= 50) {
      watch.look({ isLent, isOwn: false, hasCounters: true });
      clock.advance(50);
    }
    return asked - before;
  };
  assert.equal(looks(LEARN_FROM * ASK_SOON_MS, false), LEARN_FROM);
  assert.equal(looks(ASK_IDLE_MS, false), 1);
  assert.equal(looks(4 * ASK_LENT_MS, true), 4);
  assert.deepEqual(watch.now, { ms: 10, usualMs: 10, factor: 1 });
});

test('a question is answered by whoever is there; one that nobody answers is lost', async () => {
  const clock = new FakeClock();
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const answers: (number | undefined)[] = [];
  using probe = new DelayProbe({ host: '127.0.0.1', port }, clock, (ms) => answers.push(ms));
  probe.ask();
  probe.ask();
  const [question, from] = (await once(server, 'message')) as [Buffer, { port: number; address: string }];
  assert.equal(question.length, 17);
  clock.advance(7);
  const other = Buffer.from(question);
  other.writeUInt16BE((question.readUInt16BE(0) + 1) & 0xffff, 0);
  server.send(other, from.port, from.address);
  server.send(question, from.port, from.address);
  await until('it is answered', () => answers.length > 0);
  assert.deepEqual(answers, [7]);
  probe.ask();
  await once(server, 'message');
  clock.advance(LOST_MS);
  assert.deepEqual(answers, [7, undefined]);
  assert.equal(clock.pending, 0);
  server.close();
  await once(server, 'close');
});

test('no way there is no answer, and harms nothing', async () => {
  const answers: (number | undefined)[] = [];
  const clock = new FakeClock();
  using probe = new DelayProbe({ host: '127.0.0.1', port: 1 }, clock, (ms) => answers.push(ms));
  for (let i = 0; i < 3; i += 1) {
    probe.ask();
    // Time for the refusal to come.
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    clock.advance(LOST_MS);
  }
  assert.deepEqual(answers, [undefined, undefined, undefined]);
});

test('a name server at home is asked each time for what it can not know, one beyond the line for what it does', () => {
  const asked = (host: string): string => questionFor(host, 1).toString('hex');
  for (const host of ['192.168.1.1', '10.0.0.1', 'fd00::1', 'fe80::1', '::ffff:192.168.1.1']) {
    assert.notEqual(asked(host), asked(host), host);
    assert.match(asked(host), /^000101000001(?:00){6}0c[0-9a-f]{24}03616c740000020001$/, host);
  }
  for (const host of ['9.9.9.9', '2620:fe::fe', '100.64.0.1', 'dns.example'])
    assert.equal(asked(host), '0001010000010000000000000000020001', host);
});

test('the name server is found where it is not this machine', () => {
  assert.equal(nameServerIn('# x\nnameserver 127.0.0.1\nnameserver 192.0.2.1\n'), '192.0.2.1');
  assert.equal(nameServerIn('nameserver ::1\n nameserver 2001:db8::1\n'), '2001:db8::1');
  assert.equal(nameServerIn('search lan\nnameserver nonsense\n'), undefined);
  assert.equal(probed('none'), undefined);
  assert.deepEqual(probed('192.0.2.53:53'), { host: '192.0.2.53', port: 53 });
});
