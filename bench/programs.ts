/**
 * The programs that benchmarks run beside the proxy: nginx as origin, squid to compare with, and any command that
 * starts the proxy under test. Each has a temporary folder, listens on loopback on a port that was free, and ends
 * with its owner.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../src/core/clock.ts';
import { formatAuthority } from '../src/core/target.ts';
import { GIB } from '../src/core/units.ts';
import { Household } from '../src/demo/household.ts';
import { buildBundle } from './bundle.ts';

export interface Program extends AsyncDisposable {
  /** Where it listens, `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pid: number;
}

/** A loopback port that nothing listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    const socket = connect(port, '127.0.0.1');
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    await wait(50);
  }
  throw new Error(`${child.spawnfile} does not listen`);
}

async function ended(child: ChildProcess, folder?: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), 2_000);
    await exit;
    clearTimeout(limit);
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

/** nginx with `/big` (1 GiB, zeros) and `/small` (1 kB). */
export async function startOrigin(): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  mkdirSync(join(folder, 'www'));
  writeFileSync(join(folder, 'www', 'small'), 'x'.repeat(1000));
  writeFileSync(join(folder, 'www', 'big'), '');
  truncateSync(join(folder, 'www', 'big'), GIB);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  const root = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${root} daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
     events { worker_connections 1024; }
     http { access_log off; ${temporary} sendfile on; keepalive_requests 100000000;
       server { listen 127.0.0.1:${port}; root ${folder}/www; } }\n`,
  );
  const child = spawn(
    'nginx',
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      stdio: 'ignore',
    },
  );
  await listening(port, child);
  return program(`http://127.0.0.1:${port}`, child, folder);
}

/** squid that caches nothing and logs nothing. */
export async function startSquid(): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-squid-'));
  const port = await freePort();
  const file = join(folder, 'squid.conf');
  const root = process.getuid?.() === 0;
  writeFileSync(
    file,
    `http_port 127.0.0.1:${port}
     http_access allow all
     cache deny all
     cache_mem 0 MB
     access_log none
     cache_log ${folder}/cache.log
     cache_store_log none
     pid_filename ${folder}/pid
     coredump_dir ${folder}
     pinger_enable off
     shutdown_lifetime 0 seconds
     ${root ? 'cache_effective_user proxy' : ''}\n`,
  );
  // squid gives its rights away, and must still be able to write its log.
  if (root) chownSync(folder, 13, 13);
  const child = spawn('squid', ['-N', '-f', file], { stdio: 'ignore' });
  await listening(port, child);
  return program(`http://127.0.0.1:${port}`, child, folder);
}

/** The product: the bundle's daemon, on its own, with the configuration of a household. */
export async function startDaemon(): Promise<Program> {
  await using owned = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'bench-daemon-'));
  owned.defer(() => rmSync(folder, { recursive: true, force: true }));
  const bundle = owned.use(await buildBundle());
  const household = owned.use(
    await Household.start({
      name: 'bench',
      folder,
      command: bundle.command,
      down: GIB,
      // It has no line of its own here: what it is asked for is on this machine.
      lineHost: '127.0.0.1',
      ports: { http: 80, https: 443 },
      config: {},
      clock: systemClock,
      signal: new AbortController().signal,
    }),
  );
  const all = owned.move();
  return {
    url: `http://${formatAuthority(household.proxy)}`,
    pid: household.pid ?? 0,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** The proxy under test: a command whose first line of output is its URL, and that ends with its standard input. */
export async function startProxy(command: readonly string[]): Promise<Program> {
  const [name = '', ...rest] = command;
  const child = spawn(name, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('http://')) return program(line.trim(), child);
  }
  throw new Error(`${command.join(' ')} printed no URL`);
}

function program(url: string, child: ChildProcess, folder?: string): Program {
  return { url, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => ended(child, folder) };
}
