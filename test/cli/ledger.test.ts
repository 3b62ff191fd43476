import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { LEDGER_FILE } from '../../src/ledger/entry.ts';
import { Dealings, folder, household, ISSUED_AT, leaseId, openLedger } from '../ledger/written.ts';
import { linepool } from './ran.ts';

const dir = folder();
after(() => dir[Symbol.dispose]());
const state = join(dir.path, 'state');
mkdirSync(state);
const at = ['--state', state];
const ledgerFile = join(state, LEDGER_FILE);

// The ledger is open while it is read, as a running daemon's is.
const opened = openLedger(state);
const { ledger, clock, us } = opened;
after(() => ledger[Symbol.dispose]());
const anna = household();
const gone = household();
for (const [n, them] of [anna, gone].entries()) {
  const deal = new Dealings(us, them, 'lender');
  const id = leaseId(n);
  ledger.append(deal.lease({ id, issuedAt: clock.wall() }));
  ledger.append(deal.contact(id, '192.0.2.7', clock.wall()));
  ledger.append(deal.receipt(id, 4_194_304, { last: true }));
  clock.advance(3_600_000);
}
const book = {
  version: 1,
  neighbours: [{ id: anna.id, name: 'Anna', addresses: [], pairedAt: ISSUED_AT, publicKey: anna.publicKey }],
};
writeFileSync(join(state, 'neighbours.json'), JSON.stringify(book));
const keysFile = join(dir.path, 'keys.json');
writeFileSync(keysFile, JSON.stringify({ [anna.id]: anna.publicKey, [gone.id]: gone.publicKey }));

const run = (...args: string[]) => linepool(['ledger', ...args]);
const json = (text: string): Record<string, never> => JSON.parse(text) as Record<string, never>;

describe('linepool ledger', () => {
  it('shows entries', async () => {
    const all = await run('show', ...at);
    assert.equal(all.code, 0, all.err);
    assert.match(
      all.out,
      /^ +3 {2}2026-01-01 00:00:00 UTC {2}lease +Anna +may use our line for https:\/\/files\.example:443, 1\.00 GiB/m,
    );
    assert.match(all.out, /receipt +Anna +4\.00 MiB carried for it, the last/);
    assert.match(all.out, new RegExp(`contact +${gone.id.slice(0, 7)} +we dialled 192\\.0\\.2\\.7 port 443`));
    const few = await run('show', ...at, '--neighbour', 'Anna', '--last', '2', '--json');
    const { entries } = json(few.out) as unknown as { entries: { kind: string; neighbour: string }[] };
    assert.deepEqual(
      entries.map(({ kind }) => kind),
      ['contact', 'receipt'],
    );
    const none = await run('show', ...at, '--since', '2026-02-01');
    assert.equal(none.out, 'There is no such entry.\n');
  });

  it('verifies, exports, and verifies the export', async () => {
    const here = await run('verify', ...at);
    assert.equal(here.code, 0, here.err);
    assert.match(here.out, /holds\.\n[^]*^Entries +9, with 2 leases and 2 receipts$/m);
    const file = join(dir.path, 'export.jsonl');
    const written = await run('export', ...at, '-o', file);
    assert.equal(written.code, 0, written.err);
    assert.match((await run('export', ...at, '-o', file)).err, /exists already/);
    assert.equal((await run('export', ...at)).out, readFileSync(file, 'utf8'));
    const elsewhere = await run('verify', file, '--keys', keysFile, '--state', dir.path, '--all', '--json');
    assert.equal(elsewhere.code, 0, elsewhere.err);
    assert.equal(json(elsewhere.out)['holds'], true);
    const onlyAnna = join(state, 'neighbours.json');
    assert.match((await run('verify', file, '--keys', onlyAnna)).err, /entry 6: the key is not among those/);

    const altered = join(dir.path, 'altered.jsonl');
    writeFileSync(altered, readFileSync(file, 'utf8').replace('192.0.2.7', '192.0.2.8'));
    const found = await run('verify', altered, '--json');
    assert.equal(found.code, 5);
    assert.deepEqual(json(found.out)['fault'], {
      seq: 4,
      why: 'its hash is not that of its content and the entry before',
    });
    assert.match((await run('verify', altered)).err, /altered\.jsonl, entry 4: its hash/);
  });

  it('sums up', async () => {
    const { out } = await run('balance', ...at);
    assert.match(out, /^Anna +4\.00 MiB +1 +0 B +0$/m);
    const since = await run('balance', ...at, '--since', '2026-01-01T00:30:00Z', '--json');
    const { neighbours } = json(since.out) as unknown as {
      neighbours: { name: string | null; lentBytes: number }[];
    };
    assert.deepEqual(
      neighbours.map(({ name, lentBytes }) => [name, lentBytes]),
      [[null, 4_194_304]],
    );
  });

  it('explains', async () => {
    const asked = ['--when', '2026-01-01T00:10:00Z', '--address', '192.0.2.7'];
    const { out } = await run('explain', ...at, ...asked);
    assert.match(out, new RegExp(`^Borrower +Anna \\(${anna.id}\\)$`, 'm'));
    assert.match(out, /^Signed lease +[\w-]+\.[\w-]+\.[\w-]+$/m);
    const { leases } = json((await run('explain', ...at, ...asked, '--json')).out) as unknown as {
      leases: { neighbour: string; token: string; receipt: { total: number } }[];
    };
    assert.equal(leases.length, 1);
    assert.equal(leases[0]?.neighbour, anna.id);
    assert.equal(leases[0]?.receipt.total, 4_194_304);
    const nobody = await run('explain', ...at, '--when', '2026-03-01', '--address', '192.0.2.7');
    assert.equal(nobody.code, 0);
    assert.match(nobody.out, /^No neighbour had our line/);
  });

  const wrong: readonly (readonly [string[], number, RegExp])[] = [
    [['verify', '/nowhere/ledger'], 6, /There is no \/nowhere\/ledger/],
    [['verify', keysFile], 6, /does not begin with the header of an export/],
    [['verify', process.execPath], 6, /file is not a database/],
    [['show', '--state', dir.path], 6, /There is no/],
    [['show', '--file', ledgerFile, '--last', '0'], 2, /--last needs a number/],
    [['show', '--file', ledgerFile, '--since', 'yesterday'], 2, /--since needs a time/],
    [['show', ...at, '--neighbour', 'Nobody'], 8, /no neighbour of that name/],
    [['explain', ...at, '--when', '2026-02-31', '--address', '192.0.2.7'], 2, /--when needs a time/],
    [['explain', ...at, '--when', '2026-02-01', '--address', 'x', '--slack', '5'], 2, /--slack needs a time/],
    [['explain', ...at, '--address', 'x'], 2, /--when/],
    [['verify', ...at, '--keys', ledgerFile], 6, /The keys in .*: not JSON/],
  ];
  for (const [args, code, says] of wrong) {
    it(`${args.slice(0, 1).join(' ')} refuses ${says.source}`, async () => {
      const { code: exit, err, out } = await run(...args);
      assert.equal(exit, code, err);
      assert.match(err, says);
      assert.equal(out, '');
      assert.doesNotMatch(err, /\n {4}at /);
    });
  }
});
