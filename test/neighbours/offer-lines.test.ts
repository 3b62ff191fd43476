/** Lines of offers: read however they are cut into chunks, and refused when they are not as they should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MESSAGE_MAX_BYTES } from '../../src/neighbours/messages.ts';
import { LINES_PER_SECOND_MAX, LINES_SAVED_MAX, OfferLines } from '../../src/neighbours/offer-lines.ts';

const line = (message: object): string => `${JSON.stringify(message)}\n`;
const offer = (bytesPerSecond: number) => ({ kind: 'offer', bytesPerSecond, bufferBytes: 1 });

test('however a stream is cut into chunks, the same messages come out', () => {
  const messages = fc.array(
    fc.oneof(
      fc.nat(1e9).map(offer),
      fc.constant({ kind: 'hello', name: 'Dachböden ☂', version: '1', protocol: 1 }),
      fc.constant({ kind: 'weather', rain: true }),
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sent, sizes) => {
      const wire = Buffer.from(sent.map(line).join(''));
      const lines = new OfferLines();
      const kinds: string[] = [];
      for (let at = 0, n = 0; at < wire.length; n += 1) {
        const size = sizes[n % sizes.length] ?? 1;
        for (const message of lines.read(wire.subarray(at, at + size), 0)) kinds.push(message.kind);
        at += size;
      }
      assert.deepEqual(
        kinds,
        sent.map(({ kind }) => (kind === 'weather' ? 'other' : kind)),
      );
    }),
  );
});

test('fields that we do not know are left aside', () => {
  const [message] = new OfferLines().read(Buffer.from(line({ ...offer(5), until: 'midnight' })), 0);
  assert.deepEqual(message, { kind: 'offer', offer: offer(5) });
});

test('what makes no sense is the end of it', () => {
  const bad = [
    'no JSON\n',
    line({ kind: 'offer' }),
    line(offer(-1)),
    line({ kind: 'offer', bytesPerSecond: '5', bufferBytes: 1 }),
    line({ kind: 'offer', bytesPerSecond: 1, bufferBytes: 1.5 }),
    '{"kind":"offer","bytesPerSecond":1e999,"bufferBytes":1}\n',
    line({ kind: 'hello', name: 'A' }),
    'x'.repeat(MESSAGE_MAX_BYTES + 1),
    line(offer(1)).repeat(LINES_SAVED_MAX + 1),
  ];
  for (const text of bad) {
    assert.throws(
      () => new OfferLines().read(Buffer.from(text), 0),
      { code: 'bad_response' },
      text.slice(0, 60),
    );
  }
  for (const harmless of ['null\n', '5\n', '\n', '[]\n']) new OfferLines().read(Buffer.from(harmless), 0);
});

test('as many lines as the limit says may come in each second, and at once what was held up on the way', () => {
  const lines = new OfferLines();
  const second = Buffer.from(line(offer(1)).repeat(LINES_PER_SECOND_MAX));
  const heldUp = Buffer.from(line(offer(1)).repeat(LINES_SAVED_MAX));
  assert.equal(lines.read(heldUp, 20_000).length, LINES_SAVED_MAX);
  for (const now of [21_000, 22_000]) assert.equal(lines.read(second, now).length, LINES_PER_SECOND_MAX);
  assert.throws(() => lines.read(Buffer.from('\n'), 22_010), { code: 'bad_response' });
});
