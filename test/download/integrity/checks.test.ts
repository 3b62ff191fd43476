import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { LinepoolError } from '../../../src/core/errors.ts';
import { type Span, span } from '../../../src/core/span.ts';
import {
  BROKEN_OFF_MAX,
  Checks,
  CUT_SHORT_MAX,
  PATIENCE_MS,
  SIGNATURE_MS,
} from '../../../src/download/integrity/checks.ts';
import type { OwnProbe } from '../../../src/download/integrity/own-probe.ts';
import { type SpanStatement, validatorHash } from '../../../src/lending/span-statement.ts';
import type { Caught } from '../../../src/neighbours/trust.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const TOTAL = 1_000_000;
const VALIDATOR = { kind: 'etag', value: '"1"' } as const;
const FILE = Buffer.from(Array.from({ length: TOTAL }, (_, i) => (i * 7919) % 251));
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url');

/** Checks whose own line is the file, and everything that they said. */
class Bench {
  readonly clock = new FakeClock();
  readonly said: string[] = [];
  /** Found good. */
  readonly judged: string[] = [];
  readonly proofs: Caught[] = [];
  readonly asked: { span: Span; told: (sha256: string) => void }[] = [];
  /** What the neighbour's signature says. */
  statement: Partial<SpanStatement> = {};
  otherVersions = 0;
  readonly checks: Checks;

  constructor() {
    const otherVersions = (): number => this.otherVersions;
    const probe = {
      get otherVersions() {
        return otherVersions();
      },
      fetch: (part: Span, told: (sha256: string) => void) => {
        const one = { span: part, told };
        this.asked.push(one);
        return { [Symbol.dispose]: () => void this.asked.splice(this.asked.indexOf(one), 1) };
      },
      [Symbol.dispose]: () => undefined,
    };
    this.checks = new Checks(
      () => probe as unknown as OwnProbe,
      {
        percent: 1,
        random: (below) => below - 1,
        clock: this.clock,
        origin: 'http://files.example:80',
        total: TOTAL,
        validator: VALIDATOR,
        read: (_path, token) => {
          if (token === 'forged') throw new LinepoolError('span_unsigned', 'forged');
          return {
            lender: 'n',
            lease: 'l',
            span: span(0, 100_000),
            total: TOTAL,
            validator: validatorHash(VALIDATOR),
            sha256: token,
            ...this.statement,
          };
        },
      },
      {
        caught: (path, caught) => {
          this.said.push(`caught ${path}${caught.signed === undefined ? '' : ', signed'}`);
          this.proofs.push(caught);
        },
        good: (path, id) => this.judged.push(`${path} ${id}`),
        unsigned: (path) => this.said.push(`unsigned ${path}`),
        settled: () => this.said.push('settled'),
        failed: ({ code }) => this.said.push(code),
      },
    );
  }

  /** The neighbour brings these bytes for the span from 0 on. */
  bring(bytes: Buffer, asked = span(0, bytes.length)): void {
    this.checks.asked('n', 1, asked);
    for (let at = 0; at < bytes.length; at += 10_000)
      this.checks.came('n', 1, bytes.subarray(at, at + 10_000));
  }

  /** The own line answers all that it was asked. */
  answer(): void {
    for (const { span: part, told } of this.asked.splice(0)) told(sha(FILE.subarray(part.start, part.end)));
  }
}

const right = FILE.subarray(0, 100_000);
const wrong = Buffer.from(right).fill(7);
const tick = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await Promise.resolve();
};

describe('checks', () => {
  it('ask for the samples of one that brings its spans before the span has come', () => {
    const bench = new Bench();
    bench.checks.asked('n', 1, span(0, right.length));
    assert.equal(bench.asked.length, 0, 'it has brought nothing yet, and may never');
    bench.checks.came('n', 1, right);
    const first = bench.asked.length;
    assert.ok(first > 0);
    bench.checks.asked('n', 2, span(100_000, 200_000));
    assert.equal(bench.asked.length, 2 * first);
    bench.checks.came('n', 2, FILE.subarray(100_000, 200_000));
    assert.equal(bench.asked.length, 2 * first, 'and once only');
  });

  it('find what is right to be right, once it is over, sampled and signed', async () => {
    const bench = new Bench();
    bench.bring(right);
    assert.ok(bench.asked.length > 0, 'sampled as soon as it comes');
    bench.answer();
    assert.equal(bench.checks.isSettled, false);
    bench.checks.over('n', 1, { kind: 'ended', signature: sha(right) });
    await tick();
    assert.deepEqual(bench.said, ['settled']);
    assert.deepEqual(bench.judged, ['n 1']);
    assert.equal(bench.checks.isSettled, true);
  });

  it('catch what is wrong, and prove it by the signature', async () => {
    const bench = new Bench();
    bench.bring(wrong);
    bench.checks.over('n', 1, { kind: 'ended', signature: sha(wrong) });
    await tick();
    bench.answer();
    assert.deepEqual(bench.said, ['caught n']);
    assert.equal(bench.checks.isSettled, false, 'the whole span is fetched again, to prove it');
    bench.answer();
    assert.deepEqual(bench.said, ['caught n', 'caught n, signed', 'settled']);
    assert.deepEqual(bench.judged, []);
    const [, proof] = bench.proofs;
    assert.deepEqual([proof?.brought, proof?.ours], [sha(wrong), sha(right)]);
    assert.deepEqual([proof?.start, proof?.end, proof?.by], [0, 100_000, 'sample']);
  });

  it('catch one that never ends its answer, or breaks it off after a little', () => {
    for (const bytes of [wrong.subarray(0, 99_999), wrong.subarray(0, 700), wrong.subarray(0, 1)]) {
      const bench = new Bench();
      bench.bring(bytes, span(0, 100_000));
      bench.checks.over('n', 1, { kind: 'broken' });
      bench.answer();
      assert.deepEqual(bench.said, ['caught n', 'settled'], `${bytes.length} bytes`);
    }
  });

  for (const [what, token, statement] of [
    ['no signature', '', {}],
    ['a forged one', 'forged', {}],
    ['one under other bytes', sha(wrong), {}],
    ['one for another part', sha(right), { span: span(1, 100_001) }],
    ['one for another version', sha(right), { validator: sha(right) }],
    ['one for another length', sha(right), { total: 5 }],
  ] as const) {
    it(`say so when there is ${what}`, async () => {
      const bench = new Bench();
      bench.statement = statement;
      bench.bring(right);
      bench.answer();
      bench.checks.over('n', 1, { kind: 'ended', signature: token });
      await tick();
      assert.deepEqual(bench.said, ['unsigned n', 'settled']);
    });
  }

  it('put up with a connection that is lost before the signature, but not over and over again', () => {
    const bench = new Bench();
    for (let i = 0; i <= BROKEN_OFF_MAX; i += 1) {
      assert.ok(!bench.said.includes('unsigned n'), `after ${i}`);
      bench.bring(right);
      bench.answer();
      bench.checks.over('n', 1, { kind: 'broken' });
    }
    assert.ok(bench.said.includes('unsigned n'));
  });

  it('put up with spans that break off, but not when none comes to its end between them', () => {
    const bench = new Bench();
    const cutShort = (how: 'broken' | 'stopped'): void => {
      bench.bring(right.subarray(0, 60_000), span(0, 100_000));
      bench.answer();
      bench.checks.over('n', 1, { kind: how });
      bench.answer();
    };
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < CUT_SHORT_MAX; i += 1) cutShort('broken');
      bench.bring(right);
      bench.answer();
      bench.checks.over('n', 1, { kind: 'ended', signature: sha(right) });
    }
    for (let i = 0; i < CUT_SHORT_MAX; i += 1) cutShort('broken');
    for (let i = 0; i < CUT_SHORT_MAX; i += 1) cutShort('stopped');
    // Refused before a byte came.
    bench.bring(Buffer.alloc(0), span(0, 100_000));
    bench.checks.over('n', 1, { kind: 'broken' });
    assert.ok(!bench.said.includes('unsigned n'), bench.said.join());
    cutShort('broken');
    assert.ok(bench.said.includes('unsigned n'));
  });

  it('wait for a signature for a moment, and for samples for a while', () => {
    const bench = new Bench();
    bench.bring(right);
    bench.answer();
    bench.checks.close();
    assert.deepEqual(bench.said, []);
    bench.clock.advance(SIGNATURE_MS);
    assert.deepEqual(bench.said, ['settled']);
    bench.bring(right);
    bench.checks.reopen();
    bench.checks.close();
    bench.clock.advance(PATIENCE_MS);
    assert.deepEqual(bench.said, ['settled', 'span_unchecked']);
  });

  it('say that the file has changed when our own line has another version of it', () => {
    const bench = new Bench();
    bench.bring(right);
    bench.otherVersions = 9;
    bench.checks.close();
    bench.clock.advance(150);
    assert.ok(bench.said.includes('origin_changed'), bench.said.join());
  });

  it('find by an audit whose span it was that no sample met', async () => {
    const bench = new Bench();
    const sly = Buffer.from(right);
    sly[50_000] = (sly[50_000] ?? 0) ^ 1;
    bench.bring(sly);
    bench.checks.over('n', 1, { kind: 'ended', signature: sha(sly) });
    await tick();
    for (const { span: part, told } of bench.asked.splice(0)) told(sha(sly.subarray(part.start, part.end)));
    assert.deepEqual(bench.said, ['settled']);
    bench.checks[Symbol.dispose]();
    bench.checks.audit(1e9);
    bench.answer();
    assert.deepEqual(bench.said, ['settled', 'caught n, signed', 'settled']);
    assert.equal(bench.proofs[0]?.by, 'digest');
  });
});
