import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { parseChecksum } from '../../../src/cli/get/checksum.ts';
import { partOf, readJournal, writeJournal } from '../../../src/cli/get/journal.ts';
import { parseRange } from '../../../src/core/http.ts';
import { sizeOf } from '../../../src/core/span.ts';
import { isPattern, patternAt, patternSha256 } from '../../../src/demo/pattern.ts';
import { until } from '../../support/until.ts';
import { linepool, type Ran, start } from '../ran.ts';

const SIZE = 300_000;
const SUM = `sha-256=${patternSha256(SIZE)}`;

describe('get', () => {
  let dir = '';
  let base = '';
  let etag = '"v1"';
  let asked: { url: string; headers: IncomingMessage['headers'] }[] = [];
  /** Holds back the end of `/slow` until it is called. */
  let release: () => void = () => undefined;
  /** Parts of it, too. */
  let slowParts = false;
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', headers: request.headers });
    answer(request, response);
  });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '';
    if (url === '/to') response.writeHead(302, { location: '/a.iso' }).end();
    else if (url === '/away')
      response.writeHead(307, { location: `${base.replace('127.0.0.1', 'localhost')}/a.iso` }).end();
    else if (url === '/gone') response.writeHead(404).end('no');
    else if (url === '/chunked') response.write(patternAt(0, SIZE), () => response.end());
    else if (url === '/empty') response.writeHead(200, { 'content-length': 0 }).end();
    else {
      const headers: Record<string, string> = { etag, 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
      if (url === '/summed')
        headers['repr-digest'] = `sha-256=:${parseChecksum(SUM).digest.toString('base64')}:`;
      if (url === '/summed' || url === '/ranged') headers['accept-ranges'] = 'bytes';
      if (url === '/named') headers['content-disposition'] = 'attachment; filename="../../etc/report.pdf"';
      const range = url === '/whole' ? undefined : parseRange(request.headers.range ?? '');
      const from = range?.kind === 'from' ? range.start : 0;
      const end = range?.kind === 'from' ? Math.min(SIZE, range.end ?? SIZE) : SIZE;
      if (range !== undefined) headers['content-range'] = `bytes ${from}-${end - 1}/${SIZE}`;
      response.writeHead(range === undefined ? 200 : 206, { ...headers, 'content-length': end - from });
      if (url !== '/slow' || (range !== undefined && !slowParts)) {
        response.end(patternAt(from, end - from));
        return;
      }
      response.write(patternAt(from, SIZE / 2 - from));
      release = () => response.end(patternAt(SIZE / 2, SIZE / 2));
    }
  }

  before(async () => {
    server.listen(0);
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'linepool-get-'));
    etag = '"v1"';
    slowParts = false;
    asked = [];
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const get = (...args: string[]): Promise<Ran> => linepool(['get', ...args], { cwd: dir });
  const isWhole = (name: string): void => {
    const data = readFileSync(join(dir, name));
    assert.equal(data.length, SIZE);
    assert.ok(isPattern(data, 0));
  };

  it('downloads, says so on stderr, and leaves only the file', async () => {
    const { code, out, err } = await get(`${base}/a.iso`, '--checksum', SUM);
    assert.equal(code, 0);
    assert.equal(out, '');
    assert.match(
      err,
      /^linepool: no daemon.*\na\.iso: 293 KiB, in .*; own line 293 KiB; sha-256 is right\n$/,
    );
    assert.deepEqual(readdirSync(dir), ['a.iso']);
    isWhole('a.iso');
  });

  it('is silent with -q, and prints one object with --json', async () => {
    const quiet = await get(`${base}/a.iso`, '-q', '-o', 'b');
    assert.deepEqual([quiet.out, quiet.err, quiet.code], ['', '', 0]);
    const { out } = await get(`${base}/a.iso`, '--json', '-o', 'c', '--checksum', SUM);
    const { ms, bytesPerSecond, peakWindowBytes, ...rest } = JSON.parse(out) as Record<string, unknown>;
    assert.equal(typeof ms, 'number');
    assert.ok(Number(peakWindowBytes) > 0 && Number(peakWindowBytes) <= SIZE, String(peakWindowBytes));
    assert.equal(typeof bytesPerSecond, 'number');
    assert.deepEqual(rest, {
      file: 'c',
      url: `${base}/a.iso`,
      bytes: SIZE,
      resumedBytes: 0,
      paths: [{ id: 'own', name: 'own line', bytes: SIZE }],
      bytesByPath: { own: SIZE },
      bytesTwice: 0,
      checksum: SUM,
    });
  });

  const names: readonly [string, string][] = [
    ['/a.iso?x=y', 'a.iso'],
    ['/to', 'a.iso'],
    ['/named', 'report.pdf'],
    ['/chunked', 'chunked'],
  ];
  for (const [path, name] of names) {
    it(`${path} becomes ${name}`, async () => {
      assert.equal((await get(base + path)).code, 0);
      assert.deepEqual(readdirSync(dir), [name]);
      isWhole(name);
    });
  }

  it('takes an empty file for what it is', async () => {
    assert.equal((await get(`${base}/empty`)).code, 0);
    assert.deepEqual(readFileSync(join(dir, 'empty')), Buffer.alloc(0));
  });

  it('sends headers along, but no credentials to another origin', async () => {
    const secrets = ['-H', 'Cookie: a=b', '-H', 'Authorization: Basic eDp5', '-H', 'X-Plain: 1'];
    await get(`${base}/to`, ...secrets);
    assert.deepEqual(
      asked.map(({ headers }) => headers.cookie),
      ['a=b', 'a=b'],
    );
    asked = [];
    await get(`${base}/away`, ...secrets, '-o', 'other');
    assert.deepEqual(
      asked.map(({ url, headers }) => [url, headers.cookie, headers.authorization, headers['x-plain']]),
      [
        ['/away', 'a=b', 'Basic eDp5', '1'],
        ['/a.iso', undefined, undefined, '1'],
      ],
    );
  });

  it('refuses to write over a file or what is left of one', async () => {
    for (const name of ['a.iso', 'a.iso.part']) {
      writeFileSync(join(dir, name), 'mine');
      const { code, err } = await get(`${base}/a.iso`);
      assert.equal(code, 6);
      assert.match(
        err,
        new RegExp(`The file exists already\\. ${name}\\n {2}Choose another with -o, or resume with -C`),
      );
      assert.equal(readFileSync(join(dir, name), 'utf8'), 'mine');
      rmSync(join(dir, name));
    }
  });

  const failures: readonly [string[], number, RegExp, number][] = [
    [['/gone'], 4, /The server answered with an error\. \(404\)/, 0],
    [['/a.iso', '-o', 'no/such/folder'], 6, /The file could not be written\. no\/such\/folder.*ENOENT/, 0],
    [['/a.iso', '-o', 'folder'], 6, /folder is not a file/, 1],
    [['/a.iso', '--cacert', 'no.pem'], 2, /--cacert no\.pem can not be read/, 0],
  ];
  for (const [[path = '', ...args], exit, text, left] of failures) {
    it(`${path} ${args.join(' ')} fails with exit code ${exit}`, async () => {
      if (left === 1) mkdirSync(join(dir, 'folder'));
      const { code, err } = await get(base + path, ...args);
      assert.match(err, text);
      assert.equal(code, exit);
      assert.equal(readdirSync(dir).length, left);
    });
  }

  it('does not give a file its name when the checksum is wrong, and starts anew then', async () => {
    const wrong = `sha-256=${createHash('sha256').update('x').digest('hex')}`;
    const { code, err } = await get(`${base}/a.iso`, '--checksum', wrong);
    assert.equal(code, 5);
    assert.match(err, new RegExp(`It has ${SUM}, not ${wrong}`));
    assert.deepEqual(readdirSync(dir), ['a.iso.part']);
    assert.equal((await get(`${base}/a.iso`, '-C', '--checksum', SUM)).code, 0);
    isWhole('a.iso');
  });

  describe('-C', () => {
    /** Kills a download of `/slow` once its first half is claimed. */
    const interrupt = async (signal: NodeJS.Signals, ...args: string[]): Promise<Ran> => {
      const running = start(['get', `${base}/slow`, ...args], { cwd: dir });
      await until('half of it', async () => {
        const journal = await readJournal(join(dir, 'slow')).catch(() => undefined);
        return sizeOf(journal?.done ?? []) === SIZE / 2;
      });
      running.child.kill(signal);
      return running.ended;
    };

    it('goes on after a kill -9, with only what is missing', async () => {
      await interrupt('SIGKILL');
      asked = [];
      const { code, out } = await get(`${base}/slow`, '-C', '--json');
      assert.equal(code, 0);
      const { bytes, resumedBytes } = JSON.parse(out) as Record<string, number>;
      assert.deepEqual([bytes, resumedBytes], [SIZE, SIZE / 2]);
      assert.deepEqual(
        asked.map(({ headers }) => headers.range),
        [`bytes=${SIZE / 2}-`],
      );
      assert.deepEqual(readdirSync(dir), ['slow']);
      isWhole('slow');
    });

    it('goes on after Ctrl-C, which says how', async () => {
      const { code, err } = await interrupt('SIGINT');
      assert.equal(code, 130);
      assert.match(err, /linepool: Interrupted\. Run it again; a download goes on with -C\.\n$/);
      assert.equal((await get(`${base}/slow`, '-C')).code, 0);
      isWhole('slow');
    });

    it('is refused while another download writes the same file, which goes on', async () => {
      slowParts = true;
      const first = start(['get', `${base}/slow`], { cwd: dir });
      await until('half of it', async () => {
        const journal = await readJournal(join(dir, 'slow')).catch(() => undefined);
        return sizeOf(journal?.done ?? []) === SIZE / 2;
      });
      asked = [];
      for (const args of [['-C'], [], ['-C', '--checksum', SUM]]) {
        const { code, err } = await get(`${base}/slow`, '-o', 'slow', ...args);
        assert.equal(code, 6);
        assert.match(err, /Another download is writing that file\. slow\.part/);
        assert.ok(process.platform !== 'linux' || err.includes(`(process ${first.child.pid})`), err);
      }
      assert.equal(asked.length, 0);
      release();
      assert.equal((await first.ended).code, 0);
      isWhole('slow');
      assert.deepEqual(readdirSync(dir), ['slow']);
    });

    it('refuses another version, and keeps what is there', async () => {
      await interrupt('SIGKILL');
      etag = '"v2"';
      const { code, err } = await get(`${base}/slow`, '-C');
      assert.equal(code, 5);
      assert.match(err, /slow: it was "v1", and is "v2" now\.\n {2}Remove it and start again/);
      assert.deepEqual(readdirSync(dir), ['slow.part', 'slow.part.json']);
    });

    it('goes on from what another program left', async () => {
      writeFileSync(join(dir, 'a.iso'), patternAt(0, 100_000));
      assert.equal((await get(`${base}/a.iso`, '-C', '--checksum', SUM)).code, 0);
      assert.deepEqual(
        asked.map(({ headers }) => headers.range),
        ['bytes=99999-'],
      );
      isWhole('a.iso');
      assert.equal((await get(`${base}/a.iso`, '-C', '--checksum', SUM)).code, 0, 'nothing is left to do');
      isWhole('a.iso');
    });

    it('does not make one file of two versions, whatever its length and date', async () => {
      const old = Buffer.alloc(100_000, 'x');
      writeFileSync(join(dir, 'a.iso'), old);
      const { code, err } = await get(`${base}/a.iso`, '-C');
      assert.equal(code, 5);
      assert.match(err, /a\.iso: nothing tells which version .* give --checksum, or remove it/);
      assert.equal(asked.length, 0);
      assert.deepEqual(readFileSync(join(dir, 'a.iso')), old);
      assert.equal((await get(`${base}/a.iso`, '-C', '--checksum', SUM)).code, 5);
      assert.deepEqual(readdirSync(dir), ['a.iso.part'], 'a wrong file does not get the name');
    });

    it('asks for the checksum again when what another program left was gone on with, and interrupted', async () => {
      writeFileSync(join(dir, 'slow'), patternAt(0, 1000));
      slowParts = true;
      await interrupt('SIGKILL', '-C', '--checksum', SUM);
      slowParts = false;
      const { code, err } = await get(`${base}/slow`, '-C');
      assert.equal(code, 5);
      assert.match(err, /slow\.part: nothing tells which version/);
      assert.equal((await get(`${base}/slow`, '-C', '--checksum', SUM)).code, 0);
      isWhole('slow');
    });

    it('refuses what another program left when the server gives no parts', async () => {
      writeFileSync(join(dir, 'whole'), patternAt(0, 100_000));
      const { code, err } = await get(`${base}/whole`, '-C', '--checksum', SUM);
      assert.equal(code, 5);
      assert.match(err, /only be downloaded whole/);
      assert.deepEqual(readdirSync(dir), ['whole']);
    });

    for (const [name, digest] of [
      ['of the server', undefined],
      ['that the server gave before', parseChecksum(SUM)],
    ] as const) {
      it(`compares the digest ${name} with what was borrowed before, though nothing is missing`, async () => {
        const path = digest === undefined ? '/summed' : '/ranged';
        const validator = { kind: 'etag', value: etag } as const;
        const there = { url: base + path, validator, totalBytes: SIZE, adopted: false, digest };
        const file = join(dir, 'file');
        const done = [{ start: 0, end: SIZE }];
        const resume = async (data: Buffer, borrowed: boolean): Promise<Ran> => {
          writeFileSync(partOf(file), data);
          await writeJournal(file, { ...there, borrowed, done });
          return get(base + path, '-C', '-o', 'file');
        };
        const right = patternAt(0, SIZE);
        const wrong = Buffer.from(right);
        wrong[SIZE / 2] = (wrong[SIZE / 2] ?? 0) ^ 1;
        const { code, err } = await resume(wrong, true);
        assert.equal(code, 5, err);
        assert.match(err, new RegExp(`not ${SUM}`));
        assert.deepEqual(readdirSync(dir), ['file.part'], 'and nothing goes on from it');
        assert.equal((await resume(right, true)).code, 0);
        isWhole('file');
        rmSync(file);
        assert.equal((await resume(wrong, false)).code, 0, 'nobody could have altered it');
      });
    }

    it('starts at the beginning where nothing is', async () => {
      assert.equal((await get(`${base}/a.iso`, '-C')).code, 0);
      isWhole('a.iso');
    });
  });

  it('takes the rest as it comes', async () => {
    const running = start(['get', `${base}/slow`], { cwd: dir });
    await until('asked', () => asked.length === 1);
    release();
    assert.equal((await running.ended).code, 0);
    isWhole('slow');
  });
});
