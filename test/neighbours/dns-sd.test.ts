/** What is said on the air, and what is taken from it: nothing that tells who we are, nothing that is not in our form. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Answer } from 'dns-packet';
import * as fc from 'fast-check';
import { PROTOCOL } from '../../src/neighbours/channel.ts';
import {
  announcement,
  isAskedFor,
  isPseudonym,
  pseudonymOf,
  readAnswer,
  SERVICE,
} from '../../src/neighbours/dns-sd.ts';

const announced = { pseudonym: 'lp-k3v7q2mx', port: 7468 };

test('a name for a while is random, and says nothing', () => {
  const names = new Set(Array.from({ length: 500 }, () => pseudonymOf(randomBytes(8))));
  assert.equal(names.size, 500);
  for (const name of names) assert.ok(isPseudonym(name), name);
});

test('an announcement holds the name for this time, port, version and address, and nothing else', () => {
  assert.deepEqual(announcement(announced, '192.168.1.1'), [
    { name: SERVICE, type: 'PTR', ttl: 120, data: `lp-k3v7q2mx.${SERVICE}` },
    {
      name: `lp-k3v7q2mx.${SERVICE}`,
      type: 'SRV',
      ttl: 120,
      data: { port: 7468, target: 'lp-k3v7q2mx.local' },
    },
    { name: `lp-k3v7q2mx.${SERVICE}`, type: 'TXT', ttl: 120, data: [`v=${PROTOCOL}`] },
    { name: 'lp-k3v7q2mx.local', type: 'A', ttl: 120, data: '192.168.1.1' },
  ]);
});

test('what is announced is read again; a goodbye takes it away', () => {
  assert.deepEqual(readAnswer(announcement(announced, '192.168.1.1')), { announced: [announced], gone: [] });
  assert.deepEqual(readAnswer(announcement(announced, '192.168.1.1', 0)), {
    announced: [],
    gone: [announced.pseudonym],
  });
});

test('questions for us are known, those for others are left alone', () => {
  assert.ok(isAskedFor([{ name: SERVICE, type: 'PTR' }], announced.pseudonym));
  assert.ok(isAskedFor([{ name: SERVICE.toUpperCase(), type: 'ANY' }], announced.pseudonym));
  assert.ok(!isAskedFor([{ name: '_ipp._tcp.local', type: 'PTR' }], announced.pseudonym));
  assert.ok(!isAskedFor([], announced.pseudonym));
});

test('hostile answers: names that steer a terminal, other versions, foreign records, all are passed over', () => {
  const instance = `lp-k3v7q2mx.${SERVICE}`;
  const srv = (name: string, port = 7468): Answer => ({
    name,
    type: 'SRV',
    ttl: 120,
    data: { port, target: 'x' },
  });
  const txt = (name: string, data: string | Buffer | string[]): Answer => ({
    name,
    type: 'TXT',
    ttl: 120,
    data,
  });
  const names = [
    `\u001b[2J\u001b[31mYour bank.${SERVICE}`,
    `lp-k3v7q2mx\u0007.${SERVICE}`,
    `lp-K3V7Q2MX\u202e.${SERVICE}`,
    `${'a'.repeat(60)}.${SERVICE}`,
    `lp-k3v7q2m.${SERVICE}`,
    SERVICE,
    '',
    'lp-k3v7q2mx._ipp._tcp.local',
  ];
  for (const name of names) {
    assert.deepEqual(
      readAnswer([srv(name), txt(name, [`v=${PROTOCOL}`])]).announced,
      [],
      JSON.stringify(name),
    );
  }
  const version = txt(instance, [`v=${PROTOCOL}`]);
  assert.equal(readAnswer([srv(instance), version]).announced.length, 1);
  for (const port of [0, -1, 65_536])
    assert.deepEqual(readAnswer([srv(instance, port), version]).announced, []);
  assert.deepEqual(readAnswer([srv(instance)]).announced, [], 'without a version');
  assert.deepEqual(readAnswer([srv(instance), txt(instance, 'v=999')]).announced, []);
  assert.deepEqual(readAnswer([srv(instance), txt(instance, Buffer.alloc(60_000, 0x1b))]).announced, []);
  const huge = Array.from({ length: 5_000 }, () => 'x'.repeat(255));
  assert.deepEqual(readAnswer([srv(instance), txt(instance, huge)]).announced, []);
  const many = Array.from({ length: 5_000 }, () => srv(instance));
  assert.ok(readAnswer([...many, version]).announced.length === 0, 'only the first records are looked at');
});

test('whatever the records are, only names in our form come out', () => {
  const name = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ maxLength: 12 }).map((text) => `${text}.${SERVICE}`),
    fc.constant(`lp-k3v7q2mx.${SERVICE}`),
  );
  const record = fc.oneof(
    fc.record({
      name,
      type: fc.constant('SRV' as const),
      ttl: fc.nat(3),
      data: fc.record({ port: fc.integer({ min: -1, max: 70_000 }), target: fc.string() }),
    }),
    fc.record({
      name,
      type: fc.constant('TXT' as const),
      ttl: fc.nat(3),
      data: fc.oneof(
        fc.string().map((text): string | string[] => text),
        fc.array(fc.string(), { maxLength: 4 }),
        fc.constant<string[]>([`v=${PROTOCOL}`]),
      ),
    }),
    fc.record({ name, type: fc.constant('A' as const), ttl: fc.nat(3), data: fc.ipV4() }),
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 80 }), (records) => {
      const heard = readAnswer(records);
      for (const { pseudonym, port } of heard.announced) {
        assert.ok(isPseudonym(pseudonym));
        assert.ok(port >= 1 && port <= 65_535);
      }
      for (const gone of heard.gone) assert.ok(isPseudonym(gone));
    }),
  );
});
