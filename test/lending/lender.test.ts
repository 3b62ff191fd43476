import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Client } from 'undici';
import { UNDELAYED_BYTES } from '../../src/core/bursts.ts';
import { systemClock } from '../../src/core/clock.ts';
import { parseTarget } from '../../src/core/target.ts';
import { MIB } from '../../src/core/units.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import { ACTIVE_LINGER_MS } from '../../src/lending/borrower.ts';
import { LeaseSigner } from '../../src/lending/lease-signer.ts';
import { Lender } from '../../src/lending/lender.ts';
import { CARRY_FADES_MS } from '../../src/lending/link-carry.ts';
import { OUTSTANDING_MAX } from '../../src/lending/relay.ts';
import { pieceOf } from '../../src/lending/token-bucket.ts';
import { NO_OFFER } from '../../src/paths/path.ts';
import { household, pair } from '../neighbours/household.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { MemoryRecord } from '../support/record.ts';
import { until } from '../support/until.ts';
import { codeOf, fetchText, lentAt, OFF, ON, startLentLine, termed } from './lent-line.ts';

checkLeaksOfEach();

test('offers follow policy, the line, and who borrows', async () => {
  const clock = new FakeClock();
  await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes: 10 }] });
  await using line = await startLentLine({ clock, lent: OFF });
  const { lender } = line;
  const [first, second] = line.borrowers;
  const rates = (): number[] =>
    [first, second].map(({ neighbour }) => lender.offer(neighbour).bytesPerSecond);
  let changes = 0;
  using _ = lender.onOfferChange(() => {
    changes += 1;
  });
  assert.deepEqual(lender.offer(first.neighbour), NO_OFFER);
  assert.equal(lender.status().reason, 'off');
  lender.setLent(lentAt(4_000_000));
  assert.deepEqual(rates(), [4_000_000, 4_000_000]);
  assert.equal(lender.status().reason, 'lending');
  assert.equal(changes, 1);
  await using peer = await first.connect();
  peer.send(fetchText(origin.url('/file/1000'), '0-999', await first.lease(origin.url(''))));
  await until('the first borrows', () => rates()[0] === 4_000_000 && rates()[1] === 2_000_000);
  assert.equal(changes, 2);
  peer.reset();
  await until('it does not any more', () => lender.status().borrowers[0]?.connections === 0);
  clock.advance(ACTIVE_LINGER_MS);
  assert.deepEqual(rates(), [4_000_000, 4_000_000]);
  lender.setLent(OFF);
  assert.deepEqual(rates(), [0, 0]);
  assert.equal(lender.status().reason, 'off');
  await lender[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test('leases hold while the line is wanted for a moment; after a pause another is asked for', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  const asked = async (): Promise<string> => {
    await using peer = await borrower.connect();
    peer.send(fetchText(origin.url('/file/1000'), '0-9', lease));
    const answer = await peer.message();
    return answer.status === 206 ? 'carried' : codeOf(answer);
  };
  assert.equal(await asked(), 'carried');
  for (const reason of ['household', 'unmeasured', 'delay'] as const) {
    line.lender.setLent({ ...OFF, reason });
    assert.equal(await asked(), 'lending_off', reason);
    line.lender.setLent(ON);
    assert.equal(await asked(), 'carried', reason);
  }
  for (const reason of ['paused', 'hours'] as const) {
    line.lender.setLent({ ...OFF, reason });
    line.lender.setLent(ON);
    assert.equal(await asked(), 'lease_expired', reason);
  }
});

test('a borrower that is refused over and over does not push other events out', async () => {
  await using line = await startLentLine({ lent: OFF });
  const [borrower] = line.borrowers;
  for (let i = 0; i < 20; i += 1) {
    await using peer = await borrower.connect();
    peer.send(fetchText('http://127.0.0.1/', '0-9', undefined));
    assert.equal(codeOf(await peer.message()), 'lending_off');
  }
  assert.ok(line.refused().length < 5);
});

test('between two real households: tunnel and fetch over the link, and parting ends them', async () => {
  await using lending = await household('lending');
  await using borrowing = await household('borrowing');
  await using secure = await startTestOrigin({ secure: true });
  await using plain = await startTestOrigin();
  await using lender = new Lender(
    {
      ownId: lending.room.identity.id,
      privateKey: lending.room.identity.privateKey,
      record: new MemoryRecord(),
      ports: [secure.port, plain.port],
      allowNetworks: ['127.0.0.0/8'],
      dial: { pinned: new Map(), connectTimeout: 3_000 },
      bufferBytes: 256 * 1024,
      leaseLimits: { maxBytes: 64 * MIB, maxTime: 3_600_000 },
      maxConnections: 64,
    },
    { clock: systemClock, events: lending.events },
  );
  lender.setLent(ON);
  lending.relay.request = (neighbour, request, response) => lender.request(neighbour, request, response);
  lending.relay.connect = (neighbour, request, socket, head) =>
    lender.connect(neighbour, request, socket, head);
  await pair(lending, borrowing);
  const signer = new LeaseSigner({
    ownId: borrowing.room.identity.id,
    privateKey: borrowing.room.identity.privateKey,
    clock: systemClock,
  });
  const peer = { id: lending.room.identity.id };

  const { origin: http } = parseTarget(plain.url('/'));
  const link = new Client('http://link', {
    connect: borrowing.room.client.undiciConnector(peer),
    pipelining: 2,
  });
  try {
    const answers = await Promise.all(
      [0, 1_000_000].map(async (at) => {
        const { statusCode, body } = await link.request({
          method: 'GET',
          path: plain.url('/file/10000000'),
          headers: {
            range: `bytes=${at}-${at + 999_999}`,
            'linepool-lease': await signer.lease(peer.id, http, MIB),
          },
          blocking: false,
        });
        assert.equal(statusCode, 206);
        return { at, bytes: Buffer.from(await body.arrayBuffer()) };
      }),
    );
    for (const { at, bytes } of answers) assert.ok(bytes.length === 1_000_000 && isPattern(bytes, at));
  } finally {
    await link.destroy();
  }

  const { origin: https } = parseTarget(secure.url('/'));
  const token = await signer.lease(peer.id, https, MIB);
  const tunnel = await borrowing.room.client.tunnel(peer, `127.0.0.1:${secure.port}`, [
    'Linepool-Lease',
    token,
  ]);
  const { connect } = await import('node:tls');
  const tls = connect({ socket: tunnel, ca: secure.ca, servername: 'localhost' });
  tls.on('error', () => tls.destroy());
  await once(tls, 'secureConnect');
  tls.write('GET /file/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(tls, 'data');
  const [status] = lender.status().borrowers;
  assert.equal(status?.connections, 1);
  // Half-open is allowed on both ends: what shows first is the end.
  const ended = once(tls.resume(), 'end');
  lender.drop(borrowing.room.identity.id);
  await ended;
  tls.destroy();
  tunnel.destroy();
  await until('the origins are left', () => secure.openConnections + plain.openConnections === 0);
});

test('a neighbour that may not borrow is offered nothing and refused, with the reason, while others go on', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes: 10 }] });
  await using line = await startLentLine({ lent: lentAt(1_000_000) });
  const { lender } = line;
  const [first, second] = line.borrowers;
  await using held = await first.connect();
  held.send(fetchText(origin.url('/file/1000'), '0-999', await first.lease(origin.url(''))));
  await until('it is carried', () => lender.status().bytesCarried > 0);
  const cut = held.ended;
  lender.setLent(termed(lentAt(1_000_000), first.neighbour.id, { allowed: false, words: 'not allowed' }));
  await cut;
  assert.deepEqual(lender.offer(first.neighbour), NO_OFFER);
  await until('the other has all', () => lender.offer(second.neighbour).bytesPerSecond === 1_000_000);
  await using again = await first.connect();
  again.send(fetchText(origin.url('/file/1000'), '0-9', undefined));
  assert.equal(codeOf(await again.message()), 'lending_off');
  assert.ok(line.eventsOf('lend_refused').some(({ detail }) => detail === '(not allowed)'));
});

test('weights and ceilings: each is offered what it can count on, and held to it', async () => {
  const clock = new FakeClock();
  await using origin = await startTestOrigin();
  const total = 4_000_000;
  await using line = await startLentLine({ clock, lent: lentAt(total) });
  const { lender } = line;
  const [first, second] = line.borrowers;
  const heavy = termed(lentAt(total), second.neighbour.id, { weight: 3 });
  lender.setLent(heavy);
  // Spans that are read as they come: of longer ones, some time goes by while the kernel gathers.
  const spanBytes = 40_000;
  const spans = 30;
  assert.ok(spanBytes <= UNDELAYED_BYTES && spans <= OUTSTANDING_MAX);
  const carried = async (borrower: typeof first): Promise<void> => {
    await using peer = await borrower.connect();
    const lease = await borrower.lease(origin.url(''));
    for (let at = 0; at < spans * spanBytes; at += spanBytes)
      peer.send(fetchText(origin.url('/file/3000000'), `${at}-${at + spanBytes - 1}`, lease));
    for (let i = 0; i < spans; i += 1) assert.equal((await peer.message()).body.length, spanBytes);
  };
  const both = [carried(first), carried(second)];
  await until('both borrow', () => lender.status().borrowers.filter(({ active }) => active).length === 2);
  const parts = [
    { id: first.neighbour.id, rate: 1_000_000 },
    { id: second.neighbour.id, rate: 3_000_000 },
  ];
  assert.deepEqual(
    [first, second].map(({ neighbour }) => lender.offer(neighbour).bytesPerSecond),
    parts.map(({ rate }) => rate),
  );
  for (let ms = 1; ms <= 350; ms += 1) {
    clock.advance(1);
    if (ms % 50 === 0) lender.setLent(heavy);
    for (const { id, rate } of parts) {
      const part = (rate * ms) / 1000;
      // Time stands still until it has come, but for a piece and a millisecond of a timer: what a slow reader left, the other would have.
      const due = (rate * (ms - 1)) / 1000 - pieceOf(rate);
      await until(`${due} bytes have been carried`, () => lender.carriedFor(id) >= due);
      const bytes = lender.carriedFor(id);
      assert.ok(bytes <= part, `${bytes} bytes where its part is ${part}`);
    }
  }
  await until('all has been carried', () => {
    clock.advance(10);
    return parts.every(({ id }) => lender.carriedFor(id) === spans * spanBytes);
  });
  await Promise.all(both);
});

test('one that is slowed is slowed by its own ceiling, and by its part among others', async () => {
  await using line = await startLentLine();
  const { lender } = line;
  const [{ neighbour }] = line.borrowers;
  const offered = (rate: number): number => {
    const terms = { factor: 0.25, rate: { down: rate, up: rate } };
    lender.setLent(termed(lentAt(4_000_000), neighbour.id, terms));
    return lender.offer(neighbour).bytesPerSecond;
  };
  assert.equal(offered(Number.POSITIVE_INFINITY), 1_000_000);
  assert.equal(offered(1_000_000), 250_000);
  assert.equal(offered(400_000), 100_000);
});

test('what the link to a borrower carries bounds what it is offered, not what others are', async () => {
  await using origin = await startTestOrigin();
  const clock = new FakeClock();
  await using line = await startLentLine({ clock, lent: lentAt(400_000_000) });
  const { lender } = line;
  const [slow, other] = line.borrowers;
  await using peer = await slow.connect();
  const lease = await slow.lease(origin.url(''), { maxBytes: 512 * MIB });
  peer.socket.pause();
  peer.send(fetchText(origin.url('/file/400000000'), '0-399999999', lease));
  const look = (): void => {
    clock.advance(50);
    lender.setLent(lentAt(400_000_000));
  };
  // Its connection takes no more: what it did take is what its link carries.
  await until('the link is seen to be slow', () => {
    look();
    return lender.offer(slow.neighbour).bytesPerSecond < 200_000_000;
  });
  assert.equal(lender.offer(slow.neighbour).bytesPerSecond >= 20_000_000, true);
  assert.equal(lender.offer(other.neighbour).bytesPerSecond, 200_000_000);
  assert.ok(Number.isFinite(lender.status().borrowers[0]?.overLink));
  peer.reset();
  await until('it has left', () => lender.status().borrowers[0]?.connections === 0);
  clock.advance(CARRY_FADES_MS);
  assert.equal(lender.offer(slow.neighbour).bytesPerSecond, 400_000_000);
});
