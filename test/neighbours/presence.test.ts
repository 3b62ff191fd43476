/** Presence over a real link: offers are seen as they change, and those who leave are noticed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinkOffer } from '../../src/neighbours/channel.ts';
import { LOSSES_FOR_MS, UNFIT_LOSSES } from '../../src/neighbours/link-quality.ts';
import { OFFER_REPEAT_MS, OFFER_SPACING_MS } from '../../src/neighbours/offer-stream.ts';
import { QUESTION_MS } from '../../src/neighbours/presence-call.ts';
import { SILENCE_MS } from '../../src/neighbours/presence-state.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { freePort } from '../support/free-port.ts';
import { eventOf, type Household, household, pair, until } from './household.ts';

const HOUR = 3_600_000;

/** Resolves once the borrower sees that offer. */
function sees(borrower: Household, lender: Household, offer: LinkOffer): Promise<void> {
  return until(() => {
    const seen = borrower.room.presence.offer(lender.room.id);
    return seen.bytesPerSecond === offer.bytesPerSecond && seen.bufferBytes === offer.bufferBytes;
  });
}

test('offers are streamed, and each change is seen', async () => {
  await using lender = await household('Lender');
  await using borrower = await household('Borrower', { listen: [] });
  await pair(lender, borrower);
  await sees(borrower, lender, lender.relay.current);
  let changes = 0;
  using _listening = borrower.room.presence.onChange((id) => {
    assert.equal(id, lender.room.id);
    changes += 1;
  });
  for (const bytesPerSecond of [5, 0, 7_000_000]) {
    lender.relay.change({ bytesPerSecond, bufferBytes: 1 });
    await sees(borrower, lender, { bytesPerSecond, bufferBytes: 1 });
  }
  assert.ok(changes >= 3);
  const [status] = borrower.room.neighbours();
  assert.ok(status !== undefined && status.up && status.lastError === undefined);
  assert.ok(status.roundTripMs !== undefined && status.roundTripMs >= 0);
  assert.equal(status.version, '0.0.0');
});

test('offers that change fast are thinned; zero goes out at once; the last one always arrives', async () => {
  const clock = new FakeClock();
  await using lender = await household('Lender', { clock });
  await using borrower = await household('Borrower', { listen: [] });
  await pair(lender, borrower);
  await sees(borrower, lender, lender.relay.current);
  for (let n = 1; n <= 500; n += 1) lender.relay.change({ bytesPerSecond: n, bufferBytes: 0 });
  lender.relay.change({ bytesPerSecond: 0, bufferBytes: 0 });
  await sees(borrower, lender, { bytesPerSecond: 0, bufferBytes: 0 });
  lender.relay.change({ bytesPerSecond: 1, bufferBytes: 0 });
  lender.relay.change({ bytesPerSecond: 9, bufferBytes: 0 });
  clock.advance(OFFER_SPACING_MS);
  await sees(borrower, lender, { bytesPerSecond: 9, bufferBytes: 0 });
  const seen = borrower.events.since(0).filter(({ event }) => event.kind === 'offer');
  assert.ok(seen.length <= 4, `${seen.length} offers`);
});

test('a lender that repeats itself is alive; one that falls silent is not', async () => {
  const clock = new FakeClock();
  await using lender = await household('Lender', { clock: new FakeClock() });
  await using borrower = await household('Borrower', { listen: [], clock, retry: HOUR });
  await pair(lender, borrower);
  clock.advance(0);
  await sees(borrower, lender, lender.relay.current);
  // The lender's clock stands still: no sign of life comes, as from a router that lost its radio.
  clock.advance(SILENCE_MS - 1);
  assert.ok(borrower.room.presence.isUp(lender.room.id));
  clock.advance(1);
  assert.equal(borrower.room.presence.isUp(lender.room.id), false);
  assert.equal(borrower.room.presence.offer(lender.room.id).bytesPerSecond, 0);
  const { code, detail } = await eventOf(borrower.events, 'neighbour_down');
  assert.equal(code, 'neighbour_unreachable');
  assert.match(detail, /silent/);
});

test('signs of life keep it up for as long as they come', async () => {
  const lenderClock = new FakeClock();
  const clock = new FakeClock();
  await using lender = await household('Lender', { clock: lenderClock });
  await using borrower = await household('Borrower', { listen: [], clock, retry: HOUR });
  await pair(lender, borrower);
  clock.advance(0);
  await sees(borrower, lender, lender.relay.current);
  for (let n = 1; n <= 8; n += 1) {
    clock.advance(OFFER_REPEAT_MS);
    // A sign of life that can be seen to arrive, so that the clocks go in step.
    lender.relay.current = { bytesPerSecond: n, bufferBytes: 0 };
    lenderClock.advance(OFFER_REPEAT_MS);
    await sees(borrower, lender, lender.relay.current);
  }
  assert.ok(8 * OFFER_REPEAT_MS > 2 * SILENCE_MS);
});

test('a borrower that fell silent is cut off by the lender, in time', async () => {
  const lenderClock = new FakeClock();
  const borrowerClock = new FakeClock();
  await using lender = await household('Lender', { clock: lenderClock, limits: { silentMs: 60_000 } });
  await using borrower = await household('Borrower', { listen: [], clock: borrowerClock, retry: HOUR });
  await pair(lender, borrower);
  borrowerClock.advance(0);
  await sees(borrower, lender, lender.relay.current);
  const connections = (): number => lender.room.neighbours()[0]?.connections.in ?? 0;
  lenderClock.advance(45_000);
  assert.ok(connections() > 0);
  // Its question is heard: the patience starts anew.
  borrowerClock.advance(SILENCE_MS - 1);
  lender.relay.current = { bytesPerSecond: 3, bufferBytes: 0 };
  lenderClock.advance(OFFER_REPEAT_MS);
  await sees(borrower, lender, lender.relay.current);
  borrowerClock.advance(QUESTION_MS - SILENCE_MS + 1);
  await until(() => connections() === 2);
  lenderClock.advance(45_000);
  assert.equal(connections(), 2);
  // The borrower's clock stands still now: no more questions come.
  lenderClock.advance(60_000);
  await until(() => connections() === 0);
  assert.equal(lender.relay.listening, 0, 'nobody listens for its offers any more');
});

test('a lender that restarts is found again, with the same book', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  await using first = await household('Lender', { listen: [address] });
  await using borrower = await household('Borrower', { listen: [] });
  await pair(first, borrower);
  await eventOf(borrower.events, 'neighbour_up');
  const { stateDir } = first;
  await first.room[Symbol.asyncDispose]();
  await eventOf(borrower.events, 'neighbour_down');
  assert.equal(borrower.room.presence.offer(first.room.id).bytesPerSecond, 0);
  const seen = borrower.events.since(0).length;
  await using second = await household('Lender', { stateDir, listen: [address] });
  assert.equal(second.room.id, first.room.id);
  assert.equal(second.room.neighbours()[0]?.id, borrower.room.id);
  await until(() => borrower.events.since(seen).some(({ event }) => event.kind === 'neighbour_up'));
  await sees(borrower, second, second.relay.current);
});

test('a borrower that restarts calls by itself', async () => {
  await using lender = await household('Lender');
  await using first = await household('Borrower', { listen: [] });
  await pair(lender, first);
  await first.room[Symbol.asyncDispose]();
  await using second = await household('Borrower', { listen: [], stateDir: first.stateDir });
  await eventOf(second.events, 'neighbour_up');
});

test('a neighbour that parted from us without being able to say so is shown with the reason', async () => {
  await using lender = await household('Lender');
  await using borrower = await household('Borrower', { listen: [] });
  await pair(lender, borrower);
  await eventOf(borrower.events, 'neighbour_up');
  const { told } = await lender.room.part('Borrower');
  assert.equal(told, false);
  await until(() => borrower.room.neighbours()[0]?.lastError?.code === 'not_paired');
  assert.equal(borrower.room.neighbours()[0]?.up, false);
});

test('parting is told to the other side, and holds on both', async () => {
  await using lender = await household('Lender');
  await using borrower = await household('Borrower');
  await pair(lender, borrower);
  await eventOf(borrower.events, 'neighbour_up');
  await eventOf(lender.events, 'neighbour_up');
  const { told, neighbour } = await borrower.room.part(lender.room.id);
  assert.equal(told, true);
  assert.equal(neighbour.name, 'Lender');
  await eventOf(lender.events, 'neighbour_parted', ({ by }) => by === 'them');
  await eventOf(borrower.events, 'neighbour_parted', ({ by }) => by === 'us');
  assert.equal(lender.room.neighbours().length + borrower.room.neighbours().length, 0);
  await until(() => lender.relay.listening === 0 && borrower.relay.listening === 0);
});

test('a link that was lost again and again is not used, says why, and is used again after a while', async () => {
  const clock = new FakeClock();
  await using lender = await household('Lender', { clock });
  await using borrower = await household('Borrower', { listen: [], clock });
  await pair(lender, borrower);
  const { id } = lender.room;
  const again = async (): Promise<void> => {
    await until(() => !borrower.room.presence.isUp(id));
    // A call may come to nothing while the connections that were cut are still being noticed: it is hurried again.
    await until(() => {
      if (borrower.room.presence.isUp(id)) return true;
      borrower.room.presence.hurry(id);
      clock.advance(1);
      return false;
    });
  };
  await again();
  await sees(borrower, lender, lender.relay.current);
  for (let i = 0; i < UNFIT_LOSSES; i += 1) {
    lender.room.cut(borrower.room.id);
    await again();
  }
  assert.equal(borrower.room.presence.offer(id).bytesPerSecond, 0);
  const [status] = borrower.room.neighbours();
  assert.equal(status?.quality.kind, 'unfit');
  assert.match(status.quality.words, /^not used: contact was lost 5 times/);
  const told = borrower.events
    .since(0)
    .flatMap(({ event }) => (event.kind === 'link_quality' ? [event.quality] : []));
  assert.deepEqual(told, ['shaky', 'unfit']);
  clock.advance(LOSSES_FOR_MS);
  await again();
  await sees(borrower, lender, lender.relay.current);
});
