/** Invitations: what is put in comes out, and every slip is noticed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { idOfHash } from '../../src/neighbours/household-id.ts';
import {
  encodeInvitation,
  INVITATION_MAX,
  type Invitation,
  parseInvitation,
} from '../../src/neighbours/invitation.ts';
import { renderQr } from '../../src/neighbours/invitation-qr.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const port = fc.integer({ min: 1, max: 65_535 });
const address = fc.oneof(
  fc.tuple(fc.ipV4(), port).map(([host, p]) => `${host}:${p}`),
  fc.tuple(fc.ipV6(), port).map(([host, p]) => `[${host}]:${p}`),
  fc.tuple(fc.domain({ size: 'small' }), port).map(([host, p]) => `${host}:${p}`),
);
const invitation: fc.Arbitrary<Invitation> = fc.record(
  {
    id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(idOfHash),
    addresses: fc.array(address, { minLength: 1, maxLength: 4 }),
    secret: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    expiresAt: fc.integer({ min: 0, max: 2 ** 33 }).map((seconds) => seconds * 1000),
  },
  { noNullPrototype: true },
);

const sample: Invitation = {
  id: idOfHash(new Uint8Array(32).fill(1)),
  addresses: ['192.168.77.1:7468'],
  secret: new Uint8Array(16).fill(7),
  expiresAt: Date.UTC(2026, 0, 1),
};

test('what is put in comes out, however it is typed', () => {
  fc.assert(
    fc.property(invitation, (made) => {
      const text = encodeInvitation(made);
      assert.match(text, /^LP1-[A-Z2-7]+$/);
      for (const typed of [text, text.toLowerCase(), ` ${text}\n`, text.replace(/(.{9})/g, '$1 ')]) {
        assert.deepEqual(parseInvitation(typed), made);
      }
    }),
  );
});

test('every wrong character is noticed', () => {
  fc.assert(
    fc.property(invitation, fc.nat(), fc.nat(31), (made, where, by) => {
      const text = encodeInvitation(made);
      const at = 4 + (where % (text.length - 4));
      const wrong = ALPHABET.charAt(by);
      fc.pre(text.charAt(at) !== wrong);
      assert.throws(() => parseInvitation(text.slice(0, at) + wrong + text.slice(at + 1)), {
        code: 'invitation_invalid',
      });
    }),
    { numRuns: 1_000 },
  );
});

test('one that is cut off is refused', () => {
  const text = encodeInvitation(sample);
  for (let length = 0; length < text.length; length += 1) {
    assert.throws(() => parseInvitation(text.slice(0, length)), { code: 'invitation_invalid' });
  }
});

test('any text is an invitation or a clear refusal', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((s) => `LP1-${s}`),
      ),
      (text) => {
        assert.throws(() => parseInvitation(text), { code: 'invitation_invalid' });
      },
    ),
  );
  assert.throws(() => parseInvitation(`LP1-${'A'.repeat(INVITATION_MAX)}`), { code: 'invitation_invalid' });
});

test('one without an address, or with an address that is none, can not be made', () => {
  assert.throws(() => encodeInvitation({ ...sample, addresses: [] }), RangeError);
  assert.throws(() => encodeInvitation({ ...sample, addresses: ['nowhere'] }));
  assert.throws(() => encodeInvitation({ ...sample, secret: new Uint8Array(8) }), RangeError);
});

test('as a QR code it fits on a terminal', async () => {
  const lines = (await renderQr(encodeInvitation(sample))).split('\n').filter((line) => line !== '');
  assert.ok(lines.length <= 24, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length <= 60));
  assert.match(lines.join(''), /^[█▀▄ ]+$/);
});
