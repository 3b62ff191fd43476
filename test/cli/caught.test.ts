/** What is shown of a neighbour that is quarantined. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showNeighbours } from '../../src/cli/show.ts';
import { showTrust } from '../../src/cli/trust.ts';
import { Neighbour } from '../../src/control/schema.ts';

const neighbour = (name: string, more: object = {}): Neighbour =>
  Neighbour.parse({
    name,
    id: 'A'.repeat(63),
    shortId: 'ABCDEFG',
    up: true,
    since: 0,
    lentBytes: 0,
    borrowedBytes: 0,
    trust: 'checked',
    ...more,
  });
const caught = {
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  origin: 'http://files.example:80',
  start: 1_000,
  end: 2_000,
  total: 9_000,
  by: 'sample',
  brought: 'A'.repeat(43),
  ours: 'B'.repeat(43),
};
const PROOF =
  'Attic brought other bytes than our own line did: 1000 to 1999 of 9000, from http://files.example:80, on 2026-01-02T03:04:05.000Z.';

test('under the table of neighbours stands what each that is quarantined did', () => {
  const shown = showNeighbours([
    neighbour('Cellar'),
    neighbour('Attic', { caught }),
    neighbour('Loft', { caught: { ...caught, signed: 'a.b.c' } }),
  ]);
  assert.match(shown[2] ?? '', /^Attic .*QUARANTINED/);
  assert.deepEqual(shown.slice(4), [
    '',
    PROOF,
    'It had not signed them yet. More: linepool trust Attic',
    '',
    PROOF.replace('Attic', 'Loft'),
    'Its own signature proves it. More: linepool trust Loft',
  ]);
  assert.equal(showNeighbours([neighbour('Cellar')]).length, 2);
});

test('a name that a shell would read is not put into a command', () => {
  for (const name of ['$(reboot)', 'a b', '-x', '`x`', 'a;b', "it's"]) {
    const one = neighbour(name, { caught });
    assert.match(showNeighbours([one]).at(-1) ?? '', /linepool trust ABCDEFG$/);
    assert.match(showTrust(one).at(-1) ?? '', /linepool trust ABCDEFG --lift$/);
  }
  assert.match(showTrust(neighbour('Dachböden-2', { caught })).at(-1) ?? '', /trust Dachböden-2 --lift$/);
});
