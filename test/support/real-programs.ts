/**
 * Real programs through the proxy of a real daemon: curl, wget, aria2, apt, git and Chromium, each as its people use it,
 * over http and through CONNECT over https. Used by scripts/real-programs.ts and by test/household/programs.test.ts.
 * Everything is on this machine: no program is given an address beyond the loopback interface.
 *
 *     program ──► proxy of A ═╦═ line of A ─ origin         (http: large ones are pooled; https: CONNECT, one tunnel)
 *                             ╚═ B, its line ─ origin
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../src/core/clock.ts';
import { formatAuthority } from '../../src/core/target.ts';
import type { Bytes } from '../../src/core/units.ts';
import { type Answer, type Asked, answerFile, sayAnswer, spanAsked } from '../../src/demo/answer.ts';
import type { Household } from '../../src/demo/household.ts';
import { startNeighbourhood } from '../../src/demo/neighbourhood.ts';
import { type RunningOrigin, startOrigin } from '../../src/demo/origin.ts';
import { patternAt, patternSha256 } from '../../src/demo/pattern.ts';
import { ORIGIN_HOST } from '../../src/demo/processes.ts';
import { COMMAND, plan } from './household.ts';
import { testAuthority } from './origin.ts';
import { type Program, pathOf } from './programs.ts';
import { until } from './until.ts';

/** Long enough to be worth pooling over two lines of 32 Mbit/s. */
const LARGE_BYTES: Bytes = 6_000_000;
/** The same while a browser takes much of the machine for itself. */
const LARGE_FOR_BROWSER_BYTES: Bytes = 24_000_000;
const PROGRAM_BOUND_MS = 60_000;

const exec = promisify(execFile);

type Scheme = 'http' | 'https';

/** What a program is given. */
export interface Surroundings extends AsyncDisposable {
  /** `http://host:port` of the proxy. */
  readonly proxy: string;
  /** Of the authority behind the origin's certificate, PEM. */
  readonly caFile: string;
  /** Empty, removed at the end. */
  readonly folder: string;
  readonly household: Household;
  url(scheme: Scheme, path: string): string;
  /** Serves these files below a path, http and https. */
  serve(path: string, files: ReadonlyMap<string, Buffer>): void;
  /** Resolves with the rest of the path of the first request below this one. */
  told(path: string): Promise<string>;
}

export interface ProgramCase {
  readonly program: Program;
  readonly does: string;
  /** Throws when anything is not as it should be; says what was seen. */
  readonly run: (here: Surroundings) => Promise<string>;
}

export async function openSurroundings(): Promise<Surroundings> {
  await using owned = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'linepool-programs-'));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const files = new Map<string, Buffer>();
  const waiting = new Map<string, (rest: string) => void>();
  const respond = (asked: Asked): Answer => {
    const path = (asked.path.split('?')[0] ?? '').replaceAll('/./', '/');
    for (const [below, tell] of waiting) {
      if (!path.startsWith(below)) continue;
      tell(path.slice(below.length));
      return sayAnswer(200, 'Noted.');
    }
    const file = files.get(path);
    return file === undefined ? answerFile(asked) : answerBytes(asked, file);
  };
  const authority = await testAuthority();
  const start = async (more: Pick<Parameters<typeof startOrigin>[0], 'tls'>): Promise<RunningOrigin> =>
    owned.use(await startOrigin({ clock: systemClock, respond, ...more }));
  const http = await start({});
  const https = await start({ tls: await authority.issue([ORIGIN_HOST]) });
  const neighbourhood = owned.use(
    await startNeighbourhood({
      command: COMMAND,
      households: [plan('A'), plan('B')],
      origin: { http: http.port, https: https.port, ca: authority.ca },
      clock: systemClock,
      signal: new AbortController().signal,
    }),
  );
  const [household] = neighbourhood.households;
  if (household === undefined) throw new Error('no household');
  const all = owned.move();
  return {
    proxy: `http://${formatAuthority(household.proxy)}`,
    caFile: neighbourhood.caFile,
    folder,
    household,
    url: (scheme, path) => `${scheme}://${ORIGIN_HOST}:${neighbourhood.ports[scheme]}${path}`,
    serve: (path, more) => {
      for (const [name, bytes] of more) files.set(`${path}/${name}`, bytes);
    },
    told: (path) =>
      new Promise((resolve) => {
        waiting.set(path, (rest) => {
          waiting.delete(path);
          resolve(rest);
        });
      }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A file as any static server answers for it: whole, or one range. */
function answerBytes(asked: Asked, file: Buffer): Answer {
  const etag = `"${createHash('sha256').update(file).digest('hex').slice(0, 16)}"`;
  const range = spanAsked(asked, file.length, etag);
  if (range === 'unsatisfiable') return sayAnswer(416, 'No.', ['Content-Range', `bytes */${file.length}`]);
  const { start, end } = range ?? { start: 0, end: file.length };
  const headers = ['Content-Type', typeOf(asked.path), 'ETag', etag, 'Accept-Ranges', 'bytes'];
  headers.push('Content-Length', String(end - start));
  if (range !== undefined) headers.push('Content-Range', `bytes ${start}-${end - 1}/${file.length}`);
  return {
    status: range === undefined ? 200 : 206,
    headers,
    body: [file.subarray(start, end)],
    delivery: { kind: 'whole' },
    closes: false,
  };
}

const typeOf = (path: string): string => (path.endsWith('.html') ? 'text/html' : 'application/octet-stream');

const run = (program: Program, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> =>
  exec(pathOf(program), [...args], {
    timeout: PROGRAM_BOUND_MS,
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, ...env },
  });

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Which lines brought the last pooled download, which is to be of that size. */
async function pooledOver({ household }: Surroundings, size: Bytes): Promise<string> {
  let shown = '';
  await until(`a pooled download of ${size} bytes is complete`, async () => {
    const [last] = await household.control.downloads();
    shown = JSON.stringify(last);
    if (last?.bytes !== size || last.state !== 'complete') return false;
    const paths = Object.values(last.bytesByPath).filter((bytes) => bytes > 0);
    return paths.length === 2;
  }).catch((cause: unknown) => {
    throw new Error(`the last download was ${shown}`, { cause });
  });
  return 'pooled over two lines';
}

/** A program that downloads one address to one file. */
function downloader(
  program: Program,
  does: string,
  argsOf: (here: Surroundings, url: string, file: string) => readonly string[],
  envOf: (here: Surroundings) => NodeJS.ProcessEnv = () => ({}),
): ProgramCase {
  return {
    program,
    does,
    async run(here) {
      const seen: string[] = [];
      // Every download has a size of its own, so that it can be told from the others.
      for (const [i, scheme] of (['http', 'https'] as const).entries()) {
        const size = LARGE_BYTES + does.length * 2 + i;
        const file = join(here.folder, `${program}-${scheme}-${does.length}`);
        await run(program, argsOf(here, here.url(scheme, `/file/${size}`), file), envOf(here));
        if (sha256(await readFile(file)) !== patternSha256(size)) throw new Error(`${scheme}: wrong bytes`);
        seen.push(`${scheme} ${scheme === 'http' ? await pooledOver(here, size) : 'through CONNECT'}`);
      }
      return seen.join(', ');
    },
  };
}

const curl = downloader('curl', 'curl -x', ({ proxy, caFile }, url, file) => [
  '-sS',
  '--fail',
  '-x',
  proxy,
  '--cacert',
  caFile,
  '-o',
  file,
  url,
]);

const wget = downloader(
  'wget',
  'wget with http_proxy',
  ({ caFile }, url, file) => ['-q', '--no-config', '--ca-certificate', caFile, '-O', file, url],
  ({ proxy }) => ({ http_proxy: proxy, https_proxy: proxy, no_proxy: '' }),
);

const aria2 = downloader('aria2c', 'aria2c --all-proxy', ({ proxy, caFile, folder }, url, file) => [
  '--no-conf',
  '-q',
  `--all-proxy=${proxy}`,
  `--ca-certificate=${caFile}`,
  '--async-dns=false',
  '-d',
  folder,
  '-o',
  relative(folder, file),
  url,
]);

/** apt with folders of its own and one flat repository that is made here, with one large package. */
const apt: ProgramCase = {
  program: 'apt-get',
  does: 'apt-get -o Acquire::http::Proxy=',
  async run(here) {
    const root = join(here.folder, 'apt');
    const built = join(root, 'built');
    await mkdir(join(built, 'DEBIAN'), { recursive: true });
    const control = [
      'Package: linepool-test',
      'Version: 1',
      'Architecture: all',
      'Maintainer: nobody <nobody@example.invalid>',
      'Description: a large file',
    ].join('\n');
    await writeFile(join(built, 'DEBIAN', 'control'), `${control}\n`);
    const payload = Buffer.concat(
      Array.from({ length: LARGE_BYTES / 1e6 }, (_, i) => patternAt(i * 1e6, 1e6)),
      LARGE_BYTES,
    );
    await writeFile(join(built, 'payload'), payload);
    const deb = join(root, 'linepool-test_1_all.deb');
    await exec('dpkg-deb', ['-Znone', '--root-owner-group', '--build', built, deb]);
    const bytes = await readFile(deb);
    const packages = `${control}\nFilename: ./linepool-test_1_all.deb\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n\n`;
    here.serve(
      '/repository',
      new Map([
        ['Packages', Buffer.from(packages)],
        ['linepool-test_1_all.deb', bytes],
      ]),
    );
    for (const part of ['etc/apt.conf.d', 'etc/preferences.d', 'etc/trusted.gpg.d', 'state/lists/partial'])
      await mkdir(join(root, part), { recursive: true });
    for (const part of ['cache/archives/partial', 'log', 'got'])
      await mkdir(join(root, part), { recursive: true });
    await writeFile(join(root, 'state/status'), '');
    await writeFile(
      join(root, 'etc/sources.list'),
      `deb [trusted=yes] ${here.url('http', '/repository')} ./\n`,
    );
    // Nothing of this machine's own apt is read or changed.
    const options = Object.entries({
      'Acquire::http::Proxy': here.proxy,
      'Acquire::Languages': 'none',
      'Acquire::Retries': '0',
      'APT::Sandbox::User': '',
      'Debug::NoLocking': '1',
      'Dir::Etc': `${root}/etc`,
      'Dir::Etc::SourceParts': '-',
      'Dir::State': `${root}/state`,
      'Dir::State::status': `${root}/state/status`,
      'Dir::Cache': `${root}/cache`,
      'Dir::Log': `${root}/log`,
    }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    await writeFile(join(root, 'apt.conf'), '');
    const quiet = { APT_CONFIG: join(root, 'apt.conf'), LC_ALL: 'C' };
    await run('apt-get', [...options, '-q', 'update'], quiet);
    await exec(pathOf('apt-get'), [...options, '-q', 'download', 'linepool-test'], {
      cwd: join(root, 'got'),
      timeout: PROGRAM_BOUND_MS,
      env: { ...process.env, ...quiet },
    });
    const [name = ''] = await readdir(join(root, 'got'));
    if (sha256(await readFile(join(root, 'got', name))) !== sha256(bytes)) throw new Error('wrong bytes');
    return `update, and a package ${await pooledOver(here, bytes.length)}`;
  },
};

/** git over plain http from a repository that is made here, as static files. */
const git: ProgramCase = {
  program: 'git',
  does: 'git -c http.proxy=',
  async run(here) {
    const root = join(here.folder, 'git');
    const work = join(root, 'work');
    await mkdir(work, { recursive: true });
    const own = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', HOME: root };
    const inWork = (...args: string[]): Promise<unknown> => run('git', ['-C', work, ...args], own);
    await inWork('init', '-q', '-b', 'main');
    // What git can not compress: else its pack were small, and passed.
    const payload = Buffer.concat([patternAt(0, 1_000_000), patternAt(5_000_000, 1_000_000)]);
    await writeFile(join(work, 'payload'), payload);
    await inWork('add', '.');
    await inWork('-c', 'user.name=n', '-c', 'user.email=n@example.invalid', 'commit', '-q', '-m', 'one');
    await inWork('gc', '-q');
    await inWork('update-server-info');
    const bare = join(root, 'bare');
    await cp(join(work, '.git'), bare, { recursive: true });
    const files = new Map<string, Buffer>();
    for (const entry of await readdir(bare, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      files.set(relative(bare, file), await readFile(file));
    }
    here.serve('/repository.git', files);
    for (const scheme of ['http', 'https'] as const) {
      const to = join(root, `clone-${scheme}`);
      const options = ['-c', `http.proxy=${here.proxy}`];
      await run('git', [...options, 'clone', '-q', here.url(scheme, '/repository.git'), to], {
        ...own,
        GIT_SSL_CAINFO: here.caFile,
      });
      if (sha256(await readFile(join(to, 'payload'))) !== sha256(payload))
        throw new Error(`${scheme}: wrong bytes`);
    }
    return 'http, https through CONNECT';
  },
};

/** A page that downloads a file, hashes it and says so to its origin. */
const PAGE = `<!doctype html><title>download</title><script>
const [size, tell] = location.hash.slice(1).split(',');
fetch('/file/' + size).then(r => r.arrayBuffer()).then(b => crypto.subtle.digest('SHA-256', b))
  .then(d => [...new Uint8Array(d)].map(x => x.toString(16).padStart(2, '0')).join(''))
  .catch(e => 'failed:' + e).then(said => fetch(tell + encodeURIComponent(said)));
</script>`;

const CHROMIUM_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--no-first-run',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-extensions',
  '--disable-sync',
];

/** Headless, with only this origin sent to the proxy: what Chromium asks of its makers goes nowhere. */
const chromium: ProgramCase = {
  program: 'chromium',
  does: 'chromium, headless',
  async run(here) {
    here.serve('/page', new Map([['index.html', Buffer.from(PAGE)]]));
    const seen: string[] = [];
    for (const [i, scheme] of (['http', 'https'] as const).entries()) {
      const size = LARGE_FOR_BROWSER_BYTES + i;
      const tell = `/told-${scheme}/`;
      const told = here.told(tell);
      const proxy = new URL(here.proxy).host;
      const pac = `function FindProxyForURL(url, host) { return host === '${ORIGIN_HOST}' ? 'PROXY ${proxy}' : 'PROXY 127.0.0.1:9'; }`;
      const profile = join(here.folder, `chromium-${scheme}`);
      const child = spawn(
        pathOf('chromium'),
        [
          ...CHROMIUM_FLAGS,
          `--user-data-dir=${profile}`,
          `--proxy-pac-url=data:application/x-ns-proxy-autoconfig;base64,${Buffer.from(pac).toString('base64')}`,
          // Hashing needs a page that counts as secure; the certificate is of an authority of ours.
          `--unsafely-treat-insecure-origin-as-secure=${here.url('http', '')}`,
          '--ignore-certificate-errors',
          '--remote-debugging-port=0',
          here.url(scheme, `/page/index.html#${size},${tell}`),
        ],
        { stdio: 'ignore', env: { ...process.env, HOME: here.folder } },
      );
      const exited = once(child, 'exit');
      try {
        const said = decodeURIComponent(
          await Promise.race([
            told,
            exited.then(() => Promise.reject(new Error('chromium ended before the page was done'))),
            overdue(),
          ]),
        );
        if (said !== patternSha256(size)) throw new Error(`${scheme}: ${said}`);
      } finally {
        child.kill('SIGTERM');
        await exited;
      }
      seen.push(`${scheme} ${scheme === 'http' ? await pooledOver(here, size) : 'through CONNECT'}`);
    }
    return seen.join(', ');
  },
};

function overdue(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('not within a minute')), PROGRAM_BOUND_MS).unref();
  });
}

export const PROGRAM_CASES: readonly ProgramCase[] = [curl, wget, aria2, apt, git, chromium];
