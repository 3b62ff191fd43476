/** Where a lender's line tries to connect for a borrower is on record before a packet goes there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewEntry } from '../../src/ledger/entry.ts';
import { NEW_CONTACTS_MAX } from '../../src/lending/standing.ts';
import type { NameAsked } from '../../src/paths/lookups.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { MemoryRecord } from '../support/record.ts';
import { until } from '../support/until.ts';
import { codeOf, connectText, fetchText, type LentLine, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

const MODES = ['fetch', 'tunnel'] as const;

async function ask(line: LentLine, mode: (typeof MODES)[number], at: string): Promise<string> {
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  if (mode === 'fetch')
    peer.send(fetchText(`http://${at}/file/1000`, '0-9', await borrower.lease(`http://${at}`)));
  else peer.send(connectText(at, await borrower.lease(`https://${at}`)));
  const answer = await peer.message({ bodyless: mode === 'tunnel' });
  if (answer.status < 300) return String(answer.status);
  return mode === 'tunnel' ? String(answer.status) : codeOf(answer);
}

/** A name with those addresses, at a port where nobody listens but at 127.0.0.1. */
const named = (addresses: readonly string[], record: MemoryRecord) =>
  startLentLine({
    record,
    dial: {
      pinned: new Map(),
      connectTimeout: 3_000,
      askName: ({ answer }) =>
        answer(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        ),
    },
  });

const seen = (record: MemoryRecord): string[] => record.of('contact').map(({ address }) => address);

for (const mode of MODES) {
  test(`${mode}: each address that is tried is on record, whether it answers or not`, async () => {
    await using origin = await startTestOrigin();
    const at = `files.example:${origin.port}`;
    const failed = new MemoryRecord();
    {
      await using line = await named(['127.0.0.2', '127.0.0.3'], failed);
      assert.match(await ask(line, mode, at), /^(?:502|connect_refused)$/);
    }
    assert.deepEqual(seen(failed), ['127.0.0.2', '127.0.0.3']);
    const reached = new MemoryRecord();
    {
      await using line = await named(['127.0.0.2', '127.0.0.1', '127.0.0.3'], reached);
      assert.match(await ask(line, mode, at), /^20/);
    }
    assert.deepEqual(seen(reached), ['127.0.0.2', '127.0.0.1'], 'and none that was not');
    const literal = new MemoryRecord();
    {
      await using line = await named([], literal);
      assert.match(await ask(line, mode, `127.0.0.4:${origin.port}`), /^(?:502|connect_refused)$/);
    }
    assert.deepEqual(seen(literal), ['127.0.0.4']);
  });

  test(`${mode}: what can not be put on record is not tried`, async () => {
    await using origin = await startTestOrigin();
    class NoContacts extends MemoryRecord {
      override append(entry: NewEntry) {
        return entry.kind === 'contact' ? undefined : super.append(entry);
      }
    }
    for (const host of ['files.example', '127.0.0.1']) {
      await using line = await named(['127.0.0.1'], new NoContacts());
      assert.match(await ask(line, mode, `${host}:${origin.port}`), /^(?:503|ledger_failed)$/);
    }
    const record = new MemoryRecord();
    let last = 0;
    await using line = await startLentLine({
      record,
      dial: {
        pinned: new Map(),
        connectTimeout: 3_000,
        askName: ({ answer }) => {
          const addresses = Array.from({ length: 16 }, () => {
            last += 1;
            return { address: `127.${last >> 8}.${last & 255}.9`, family: 4 };
          });
          answer(null, addresses);
        },
      },
    });
    const at = `files.example:${origin.port}`;
    for (let n = 0; n < Math.floor(NEW_CONTACTS_MAX / 16); n += 1)
      assert.match(await ask(line, mode, at), /^(?:502|connect_refused)$/);
    const before = seen(record).length;
    assert.match(await ask(line, mode, at), /^(?:503|overloaded)$/);
    assert.equal(seen(record).length, before);
    assert.equal(origin.connections, 0);
  });
}

for (const mode of MODES) {
  test(`${mode}: who has gone before its name was found makes no connection`, async () => {
    await using origin = await startTestOrigin();
    const record = new MemoryRecord();
    const asked: NameAsked[] = [];
    await using line = await startLentLine({
      record,
      dial: { pinned: new Map(), connectTimeout: 3_000, askName: (name) => void asked.push(name) },
    });
    const [borrower] = line.borrowers;
    const at = `files.example:${origin.port}`;
    {
      await using peer = await borrower.connect();
      if (mode === 'fetch')
        peer.send(fetchText(`http://${at}/file/1000`, '0-9', await borrower.lease(`http://${at}`)));
      else peer.send(connectText(at, await borrower.lease(`https://${at}`)));
      await until('its name is asked for', () => asked.length === 1);
      peer.reset();
    }
    await until('it is gone', () => line.lender.status().borrowers[0]?.connections === 0);
    asked[0]?.answer(null, [{ address: '127.0.0.1', family: 4 }]);
    assert.equal(await ask(line, mode, `127.0.0.1:${origin.port}`), mode === 'fetch' ? '206' : '200');
    assert.equal(seen(record).length, 1);
    assert.equal(origin.connections, 1);
  });
}
