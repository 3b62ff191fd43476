import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { array, assert as check, integer, property, record, subarray } from 'fast-check';
import { OriginSeats, seated } from '../../src/download/origin-seats.ts';
import { type Claim, dealSeats, hasRoomBeside } from '../../src/download/seats.ts';
import { ownLine } from '../support/borrowed-line.ts';
import { FakeClock } from '../support/fake-clock.ts';

const PATHS = ['n1', 'n2', 'n3', 'n4', 'n5'];
const none = new Set<string>();
const claim = (wants: readonly string[], holds: Iterable<string> = []): Claim => ({
  wants,
  holds: new Set(holds),
});
const dealt = (claims: readonly Claim[], origin: number, line: number): string[][] =>
  dealSeats(claims, { origin, line }).map((seats) => [...seats].sort());

const world = record({
  claims: array(record({ wants: subarray(PATHS), holds: subarray(PATHS).map((holds) => new Set(holds)) }), {
    maxLength: 7,
  }),
  limits: record({ origin: integer({ min: 2, max: 30 }), line: integer({ min: 1, max: 8 }) }),
});

describe('seats', () => {
  it('are for everything that is wanted, where there is room', () => {
    assert.deepEqual(dealt([claim(PATHS)], 24, 6), [PATHS]);
    assert.deepEqual(dealt([claim(['n1']), claim(['n1', 'n2'])], 24, 6), [['n1'], ['n1', 'n2']]);
  });

  it('are never more than are allowed, and only what is wanted', () => {
    check(
      property(world, ({ claims, limits }) => {
        const all = dealSeats(claims, limits);
        const each = new Map<string, number>();
        for (const [i, seats] of all.entries()) {
          for (const path of seats) {
            assert.ok(claims[i]?.wants.includes(path));
            each.set(path, (each.get(path) ?? 0) + 1);
          }
        }
        const sum = [...each.values()].reduce((n, count) => n + count, 0);
        assert.ok(sum === 0 || sum + claims.length <= limits.origin, 'too many over all lines');
        for (const [path, count] of each) assert.ok(count <= limits.line, `too many over ${path}`);
      }),
    );
  });

  it('are the same in number for all that want the same, but for one', () => {
    check(
      property(integer({ min: 1, max: 8 }), integer({ min: 2, max: 30 }), (count, origin) => {
        const claims = Array.from({ length: count }, () => claim(PATHS));
        const sizes = dealt(claims, origin, 8).map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join(' '));
      }),
    );
  });

  it('stay as they are while nothing changes', () => {
    check(
      property(world, ({ claims, limits }) => {
        const first = dealSeats(claims, limits);
        const again = dealSeats(
          claims.map(({ wants }, i) => ({ wants, holds: first[i] ?? none })),
          limits,
        );
        assert.deepEqual(again, first);
      }),
    );
  });

  it('are given up only for one that has fewer', () => {
    assert.deepEqual(dealt([claim(PATHS, PATHS), claim([])], 6, 6), [PATHS.slice(0, 4), []]);
    assert.deepEqual(dealt([claim(PATHS, ['n4', 'n5']), claim(PATHS)], 6, 6), [
      ['n4', 'n5'],
      ['n1', 'n2'],
    ]);
    const [first, second] = dealt([claim(PATHS, PATHS), claim(PATHS)], 6, 6);
    assert.deepEqual([first?.length, second?.length], [2, 2]);
    assert.deepEqual(dealt([claim(PATHS, ['n1', 'n2', 'n3']), claim(PATHS, ['n1'])], 6, 6)[0]?.length, 2);
    assert.deepEqual(dealt([claim(PATHS, ['n1', 'n2']), claim(PATHS, ['n1'])], 5, 6)[0]?.length, 2);
    assert.deepEqual(dealt([claim(['n1', 'n2'], ['n1', 'n2']), claim(['n2'])], 24, 1), [['n1'], ['n2']]);
  });

  it('leave room for another download while it can have the own line and one more', () => {
    assert.equal(hasRoomBeside(0, { origin: 2, line: 1 }), true);
    assert.equal(hasRoomBeside(1, { origin: 24, line: 1 }), false);
    assert.equal(hasRoomBeside(1, { origin: 3, line: 6 }), false);
    assert.equal(hasRoomBeside(1, { origin: 4, line: 6 }), true);
  });
});

describe('the seats of an origin', () => {
  const A = { scheme: 'http', host: 'a.test', port: 80 } as const;
  const B = { ...A, host: 'b.test' };

  it('are dealt anew when a download begins, ends, or could use something else; others hear of it', () => {
    const seats = new OriginSeats({ origin: 4, line: 2 });
    const told: string[] = [];
    const wants = ['n1', 'n2', 'n3'];
    using first = seats.join(A, () => wants);
    using _heard = first.onChange(() => told.push('first'));
    assert.equal(wants.filter((path) => first.has(path)).length, 3);
    const second = seats.join(A, () => wants);
    assert.deepEqual(told, ['first']);
    assert.equal(wants.filter((path) => first.has(path)).length, 1);
    assert.equal(wants.filter((path) => second.has(path)).length, 1);
    assert.equal(seats.hasRoom(A), false);
    assert.equal(seats.hasRoom(B), true, 'another origin');
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    assert.equal(wants.filter((path) => first.has(path)).length, 3);
    assert.equal(second.has('n1'), false);
    wants.pop();
    first.reconsider();
    assert.equal(first.has('n3'), false);
    assert.equal(seats.hasRoom(A), true);
  });

  it('are kept by guests, who get none when all are taken', () => {
    const seats = new OriginSeats({ origin: 4, line: 2 });
    const wants = ['n1', 'n2', 'n3'];
    using guest = seats.guest(A, 'n1');
    using _second = seats.guest(A, 'n1');
    assert.throws(() => seats.guest(A, 'n1'), { code: 'overloaded' }, 'over that line');
    using download = seats.join(A, () => wants);
    assert.deepEqual(
      wants.filter((path) => download.has(path)),
      ['n2'],
    );
    assert.throws(() => seats.guest(A, 'n3'), { code: 'overloaded' }, 'over all lines');
    seats.guest(B, 'n3')[Symbol.dispose]();
    assert.equal(seats.hasRoom(A), false);
    guest[Symbol.dispose]();
    guest[Symbol.dispose]();
    assert.equal(wants.filter((path) => download.has(path)).length, 2);
  });

  it('are told to nobody when nothing changes', () => {
    const seats = new OriginSeats({ origin: 24, line: 6 });
    let told = 0;
    using first = seats.join(A, () => ['n1']);
    using _heard = first.onChange(() => (told += 1));
    first.reconsider();
    using _second = seats.join(A, () => ['n1']);
    assert.equal(told, 0);
  });

  it('and paths change together for a download', () => {
    const seats = new OriginSeats({ origin: 24, line: 6 });
    const wants: string[] = [];
    using place = seats.join(A, () => wants);
    const listeners = new Set<() => void>();
    const clock = new FakeClock();
    const paths = seated(
      place,
      {
        own: ownLine(),
        neighbours: () => [],
        onChange(listener) {
          listeners.add(listener);
          return { [Symbol.dispose]: () => listeners.delete(listener) };
        },
      },
      clock,
    );
    let had = false;
    const heard = paths.onChange(() => (had = place.has('n1')));
    wants.push('n1');
    for (const listener of listeners) listener();
    assert.equal(had, true, 'its seat is there when it hears of the path');
    wants.length = 0;
    clock.advance(1_000);
    assert.equal(had, false, 'what nobody tells is seen all the same');
    heard[Symbol.dispose]();
    assert.equal(listeners.size, 0);
    assert.equal(clock.pending, 0);
  });
});
