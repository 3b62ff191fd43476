import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CUT_OFF_MS, GRACE_MS, TRIES_MAX } from '../../src/lending/strikes.ts';
import { NO_OFFER } from '../../src/paths/path.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';
import { codeOf, fetchText, lentAt, OFF, startLentLine, type TestBorrower } from './lent-line.ts';

checkLeaksOfEach();

const RATE = 1_000_000;

/** Asks so often, on connections of its own, and says why it was refused the last time. */
async function ask(borrower: TestBorrower, times: number): Promise<string> {
  let code = '';
  for (let i = 0; i < times; i += 1) {
    await using peer = await borrower.connect();
    peer.send(fetchText('http://127.0.0.1/', '0-9', undefined));
    code = codeOf(await peer.message());
  }
  return code;
}

test('one that asks on and on after it was refused is cut off, with the reason, and others are not', async () => {
  const clock = new FakeClock();
  await using line = await startLentLine({ clock, lent: OFF });
  const { lender } = line;
  const [rude, polite] = line.borrowers;
  assert.equal(await ask(rude, 3), 'lending_off');
  clock.advance(GRACE_MS);
  assert.equal(await ask(rude, TRIES_MAX), 'lending_off');
  assert.equal(await ask(polite, 1), 'lending_off');
  assert.equal(line.eventsOf('borrower_cut_off').length, 0);
  await ask(rude, 1);
  const [cut] = line.eventsOf('borrower_cut_off');
  assert.equal(cut?.borrower, 'first');
  assert.equal(cut.forMs, CUT_OFF_MS);
  assert.match(cut.detail, /^cut off for 10(?:\.0)? s: it went on after more than 40 refusals$/);
  // Its line is there again for others, not for it.
  lender.setLent(lentAt(RATE));
  assert.deepEqual(lender.offer(rude.neighbour), NO_OFFER);
  assert.equal(lender.offer(polite.neighbour).bytesPerSecond, RATE);
  assert.equal(await ask(rude, 1), 'cut_off');
  assert.equal(await ask(polite, 1), 'lease_missing');
  const [status] = lender.status().borrowers;
  assert.equal(status?.cutOff?.times, 1);
  let told = 0;
  using _ = lender.onOfferChange(() => {
    told += 1;
  });
  clock.advance(CUT_OFF_MS);
  assert.ok(told > 0);
  assert.equal(lender.offer(rude.neighbour).bytesPerSecond, RATE);
  assert.equal(lender.status().borrowers[0]?.cutOff, undefined);
});

test('one that goes on while it is cut off is cut off for longer', async () => {
  const clock = new FakeClock();
  await using line = await startLentLine({ clock, lent: OFF });
  const [rude] = line.borrowers;
  await ask(rude, 1);
  clock.advance(GRACE_MS);
  await ask(rude, TRIES_MAX + 1);
  clock.advance(GRACE_MS);
  await ask(rude, TRIES_MAX + 1);
  assert.deepEqual(
    line.eventsOf('borrower_cut_off').map(({ forMs }) => forMs),
    [CUT_OFF_MS, 2 * CUT_OFF_MS],
  );
  line.lender.drop(rude.neighbour.id);
  await line.lender[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test('one that keeps opening more than it may have is cut off, and what runs for it ends', async () => {
  const clock = new FakeClock();
  await using origin = await startTestOrigin({
    faults: [
      { kind: 'stall', afterBytes: 10 },
      { kind: 'stall', afterBytes: 10 },
    ],
  });
  await using line = await startLentLine({ clock, lent: lentAt(RATE), maxConnections: 2 });
  const [rude] = line.borrowers;
  await using stack = new AsyncDisposableStack();
  const ended: Promise<unknown>[] = [];
  for (let i = 0; i < 2; i += 1) {
    const peer = stack.use(await rude.connect());
    peer.send(fetchText(origin.url('/file/1000'), '0-999', await rude.lease(origin.url(''))));
    ended.push(peer.ended);
  }
  await until('both run', () => line.lender.status().borrowers[0]?.connections === 2);
  assert.equal(await ask(rude, TRIES_MAX), 'overloaded');
  assert.deepEqual(line.eventsOf('borrower_cut_off'), []);
  await ask(rude, 1);
  assert.equal(line.eventsOf('borrower_cut_off').length, 1);
  assert.deepEqual(line.lender.offer(rude.neighbour), NO_OFFER);
  await Promise.all(ended);
});

test('another key does not end a cut-off', async () => {
  const clock = new FakeClock();
  await using line = await startLentLine({ clock, lent: OFF });
  const { lender } = line;
  const [rude] = line.borrowers;
  await ask(rude, 1);
  clock.advance(GRACE_MS);
  await ask(rude, TRIES_MAX + 1);
  lender.setLent(lentAt(RATE));
  const renewed = { ...rude.neighbour, id: 'another id' };
  lender.rekey(rude.neighbour.id, renewed.id);
  assert.deepEqual(lender.offer(renewed), NO_OFFER);
  clock.advance(CUT_OFF_MS);
  assert.equal(lender.offer(renewed).bytesPerSecond, RATE);
  lender.drop(renewed.id);
});
