/**
 * What can be read: on the air between two households, on the line between a lender and an origin, and afterwards on the disks
 * of both. Every byte is looked at, in two real households with a wiretap at each place.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternAt, patternSha256 } from '../../src/demo/pattern.ts';
import { ORIGIN_HOST } from '../../src/demo/processes.ts';
import { freePort } from '../support/free-port.ts';
import {
  neighbourOf,
  type Origins,
  plan,
  runOn,
  startHouseholds,
  startOrigins,
} from '../support/household.ts';
import { openWiretap, type Wiretap } from '../support/wiretap.ts';

const SIZE = 6_000_000;
/** What must not be read, wherever it is not said that it may. */
const SECRETS = {
  query: 'q-secret-5f1c',
  cookie: 'cookie-secret-91ab',
  authorization: 'authorization-secret-77de',
  agent: 'agent-secret-30c2',
  referer: 'referer-secret-c4e8',
  own: 'own-header-secret-e102',
} as const;
const FIELDS = [
  ['User-Agent', SECRETS.agent],
  ['Referer', `http://${SECRETS.referer}/`],
  ['X-Own', SECRETS.own],
] as const;
const CREDENTIALS = [
  ['Cookie', `id=${SECRETS.cookie}`],
  ['Authorization', `Bearer ${SECRETS.authorization}`],
] as const;
/** Pieces of the file that are long enough not to be there by chance, and occur all over it. */
const BODY = Array.from({ length: 64 }, (_, i) => patternAt(i * 16_000, 24));
const path = `/file/${SIZE}?token=${SECRETS.query}`;
const texts = Object.values(SECRETS).map((text) => Buffer.from(text));

/** Which of them are in one of the captures. */
const found = (captures: readonly Buffer[], needles: readonly Buffer[]): string[] =>
  needles
    .filter((needle) => captures.some((capture) => capture.includes(needle)))
    .map((needle) => needle.toString('latin1'));

describe('what can be read', { concurrency: false, timeout: 120_000 }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;
  let b: Household;
  let air: Wiretap;
  let line: Readonly<Record<'http' | 'https', Wiretap>>;
  let folder = '';
  const own = new AsyncDisposableStack();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'linepool-privacy-'));
    own.defer(() => rm(folder, { recursive: true }));
    origins = own.use(await startOrigins());
    const link = await freePort();
    air = own.use(await openWiretap({ host: '127.0.0.1', port: link }));
    line = {
      http: own.use(await openWiretap({ host: '127.0.0.1', port: origins.http.port })),
      https: own.use(await openWiretap({ host: '127.0.0.1', port: origins.https.port })),
    };
    const log = ['level = "debug"'];
    here = own.use(
      await startHouseholds(
        [
          plan('A', { config: { log, trust: ['default = "trusted"'] } }),
          plan('B', {
            origin: { http: line.http.port, https: line.https.port },
            config: {
              log,
              link: [`listen = ["127.0.0.1:${link}"]`, `advertise = "127.0.0.1:${air.port}"`],
            },
          }),
        ],
        origins,
      ),
    );
    [a, b] = here.households as [Household, Household];
  });
  after(() => own.disposeAsync());

  /** All that is on the disk of a household: its state, its log, what its commands said. */
  const onDisk = async (household: Household): Promise<Buffer[]> => {
    const home = join(household.stateDir, '..');
    const events = Buffer.from(JSON.stringify(await household.control.eventsKept()));
    for (;;) {
      try {
        const files = await readdir(home, { recursive: true, withFileTypes: true });
        const read = files
          .filter((file) => file.isFile())
          .map((file) => readFile(join(file.parentPath, file.name)));
        return [events, ...(await Promise.all(read))];
      } catch (error) {
        // The daemon replaces a file by one with another name meanwhile: what is there now is listed anew.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  };

  test('of https, host, port and ciphertext; nothing stays on a disk', async () => {
    const before = { air: air.bytes, line: line.https.bytes };
    const url = `https://${ORIGIN_HOST}:${here.ports.https}${path}`;
    const headers = [...FIELDS, ...CREDENTIALS].flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const options = [
      '--cacert',
      here.caFile,
      '--checksum',
      `sha-256=${patternSha256(SIZE)}`,
      '--json',
      ...headers,
    ];
    const { code, out, err } = await runOn(a, 'get', url, '-o', join(folder, 'file'), ...options).ended;
    assert.equal(code, 0, err);
    const { bytesByPath } = JSON.parse(out) as { readonly bytesByPath: Readonly<Record<string, number>> };
    const brought = bytesByPath[(await neighbourOf(a, 'B')).id] ?? 0;
    assert.ok(brought > 500_000, out);
    assert.ok(
      air.bytes - before.air > brought && line.https.bytes - before.line > brought,
      'it was listened to',
    );

    const [onAir, onLine] = [air.taken(), line.https.taken()];
    const name = Buffer.from(ORIGIN_HOST);
    assert.deepEqual(found(onAir, [...texts, ...BODY, name]), [], 'between the households');
    assert.deepEqual(found(onLine, [...texts, ...BODY]), [], 'between the lender and the origin');
    assert.deepEqual(found(onLine, [name]), [ORIGIN_HOST], 'what TLS says in the clear is there to be found');
    for (const household of [a, b])
      assert.deepEqual(
        found(await onDisk(household), [...texts, ...BODY]),
        [],
        `on the disk of ${household.name}`,
      );
  });

  const fetched = (fields: readonly (readonly [string, string])[]): Promise<number> =>
    new Promise((resolve, reject) => {
      const host = `${ORIGIN_HOST}:${here.ports.http}`;
      const headers = Object.fromEntries([['Host', host], ...fields]);
      let bytes = 0;
      request({ ...a.proxy, path: `http://${host}${path}`, headers, agent: false }, (response) => {
        response.on('data', (piece: Buffer) => {
          bytes += piece.length;
        });
        response.on('error', reject).on('end', () => resolve(bytes));
      })
        .on('error', reject)
        .end();
    });

  test('of http, nothing on the air, and nothing of the client at the origin of the lender', async () => {
    air.taken();
    assert.equal(await fetched(FIELDS), SIZE);
    const [onAir, onLine] = [air.taken(), line.http.taken()];
    const { query, ...ofTheClient } = SECRETS;
    assert.deepEqual(
      found(onAir, [...texts, ...BODY, Buffer.from(ORIGIN_HOST)]),
      [],
      'between the households',
    );
    assert.deepEqual(
      found(
        onLine,
        Object.values(ofTheClient).map((text) => Buffer.from(text)),
      ),
      [],
    );
    // The server needs the address whole; a lender sees it for http, and keeps none of it.
    assert.deepEqual(found(onLine, [Buffer.from(query), Buffer.from('Forwarded: for="_')]).length, 2);
    assert.ok(found(onLine, BODY).length > 0, 'it was listened to');
    assert.deepEqual(found(await onDisk(b), [...texts, ...BODY]), [], 'on the disk of the lender');
    assert.deepEqual(
      found(
        await onDisk(a),
        Object.values(ofTheClient).map((text) => Buffer.from(text)),
      ),
      [],
    );
  });

  test('a request with credentials goes over the own line alone', async () => {
    line.http.taken();
    air.taken();
    for (const credential of CREDENTIALS) assert.equal(await fetched([...FIELDS, credential]), SIZE);
    assert.deepEqual(found(line.http.taken(), texts), []);
    assert.deepEqual(found(air.taken(), texts), []);
    for (const household of [a, b]) {
      const { cookie, authorization } = SECRETS;
      const secrets = [cookie, authorization].map((text) => Buffer.from(text));
      assert.deepEqual(found(await onDisk(household), secrets), [], `on the disk of ${household.name}`);
    }
  });
});
