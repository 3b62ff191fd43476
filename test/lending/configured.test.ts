import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Events } from '../../src/core/events.ts';
import { Configured, type NamedTerms } from '../../src/lending/configured.ts';
import type { LendSettings } from '../../src/lending/settings.ts';
import { CONFIGURED } from './settings.test.ts';

interface Known {
  readonly id: string;
  readonly name: string;
  readonly formerKeys?: readonly { readonly id: string }[];
}

function setUp(terms: NamedTerms, neighbours: Known[]) {
  const events = new Events(() => 0);
  const given: { settings: LendSettings; terms: NamedTerms }[] = [];
  const configured = new Configured(CONFIGURED, terms, {
    events,
    neighbours: () => neighbours.map((one) => ({ formerKeys: [], ...one })),
    steward: { configure: (settings, byId) => void given.push({ settings, terms: byId }) },
  });
  return {
    configured,
    neighbours,
    last: () => given.at(-1)?.terms,
    times: () => given.length,
    warnings: () => events.since(0).flatMap(({ event }) => (event.kind === 'warning' ? [event.detail] : [])),
  };
}

test('terms are found by name or id', () => {
  const { last } = setUp({ Attic: { weight: 2 }, 'bbbb-bbbb': { allow: false } }, [
    { id: 'aaaa-aaaa', name: 'Attic' },
    { id: 'bbbb-bbbb', name: 'Cellar' },
  ]);
  assert.deepEqual(last(), { 'aaaa-aaaa': { weight: 2 }, 'bbbb-bbbb': { allow: false } });
});

test('a name that nobody has is told at the start, once, and holds once somebody has it', () => {
  const { configured, neighbours, last, warnings } = setUp({ Attic: { allow: false } }, []);
  assert.deepEqual(last(), {});
  assert.deepEqual(warnings(), [
    'lend.neighbours."Attic": must be the name or id of a neighbour; there is none. It holds once there is one.',
  ]);
  neighbours.push({ id: 'c', name: 'Cellar' });
  configured.neighboursChanged();
  assert.equal(warnings().length, 1);
  neighbours.push({ id: 'a', name: 'Attic' });
  configured.neighboursChanged();
  assert.deepEqual(last(), { a: { allow: false } });
});

test('read again, a name that nobody has is refused, and nothing changes', () => {
  const { configured, last, times } = setUp({}, [{ id: 'a', name: 'Attic' }]);
  assert.throws(() => configured.readAgain(CONFIGURED, { Cellar: {} }), {
    code: 'policy_invalid',
    detail: 'lend.neighbours."Cellar": must be the name or id of a neighbour; there are "Attic".',
  });
  assert.equal(times(), 1);
  configured.readAgain(CONFIGURED, { Attic: { weight: 3 } });
  assert.deepEqual(last(), { a: { weight: 3 } });
});

test('whom the file denies is not let in by a new name, nor is whoever takes the old one denied', () => {
  const { configured, neighbours, last } = setUp({ Attic: { allow: false } }, [{ id: 'a', name: 'Attic' }]);
  neighbours.splice(0, 1, { id: 'a', name: 'Loft' }, { id: 'b', name: 'Attic' });
  configured.neighboursChanged();
  assert.deepEqual(last(), { a: { allow: false } });
  configured.readAgain(CONFIGURED, { Attic: { allow: false } });
  assert.deepEqual(last(), { b: { allow: false } });
});

test('whom the file denies is not let in by a new name and then a new key, nor is one that it names by a former id', () => {
  const { configured, neighbours, last } = setUp({ Attic: { allow: false } }, [{ id: 'a', name: 'Attic' }]);
  neighbours.splice(0, 1, { id: 'a', name: 'Loft' });
  configured.neighboursChanged();
  neighbours.splice(0, 1, { id: 'a2', name: 'Loft', formerKeys: [{ id: 'a' }] });
  configured.neighboursChanged();
  assert.deepEqual(last(), { a2: { allow: false } });
  configured.readAgain(CONFIGURED, { a: { weight: 3 } });
  assert.deepEqual(last(), { a2: { weight: 3 } });
});
