/**
 * Network namespaces, and what is in them: made, configured, and removed whatever happens. The names begin with `lp-`
 * (or another prefix, see places.ts), so that what an earlier run left over is known for what it is.
 * No address here exists outside of the namespaces, and none of them has a way out.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from './failure.ts';
import { NAMESPACE_PREFIX, RUN_FOLDER } from './places.ts';
import { must, run, startedAt } from './process.ts';

const NAMESPACES = '/run/netns';
const OWNER_FILE = join(RUN_FOLDER, 'pid');

export const ORIGIN_NS = `${NAMESPACE_PREFIX}origin`;
export const MULTI_NS = `${NAMESPACE_PREFIX}multi`;
export const PROBE_NS = `${NAMESPACE_PREFIX}probe`;
export const RADIO_NS = `${NAMESPACE_PREFIX}radio`;
/** Households are numbered from 1. */
export const routerNs = (household: number): string => `${NAMESPACE_PREFIX}router${household}`;
export const clientNs = (household: number): string => `${NAMESPACE_PREFIX}client${household}`;

/** Names of namespaces of the lab that are there. */
function present(): string[] {
  return existsSync(NAMESPACES)
    ? readdirSync(NAMESPACES).filter((name) => name.startsWith(NAMESPACE_PREFIX))
    : [];
}

/** A process id is given again to others; with its start it is one process's for ever. */
const lifeOf = (pid: number): string => `${pid} ${startedAt(pid)}`;

/** The lab that runs now, if it is not this one. */
function otherLab(): number | undefined {
  if (!existsSync(OWNER_FILE)) return undefined;
  const life = readFileSync(OWNER_FILE, 'utf8');
  const pid = Number.parseInt(life, 10);
  return pid !== process.pid && startedAt(pid) !== undefined && life === lifeOf(pid) ? pid : undefined;
}

/** What is there of this lab or an earlier one: names of namespaces, and the mark of a run. */
export const leftOver = (): readonly string[] => [
  ...present(),
  ...(existsSync(OWNER_FILE) ? [OWNER_FILE] : []),
];

function refuseOther(): void {
  const pid = otherLab();
  if (pid !== undefined)
    throw new LabError(`Another lab is running (process ${pid}): wait until it has ended.`);
}

/**
 * Claims this machine for one lab; the run's folder goes with the claim, if it is not to be kept.
 * @throws LabError when another lab runs, or an earlier one left something over
 */
export function claim(keep: boolean): Disposable & { readonly folder: string } {
  refuseOther();
  const left = present();
  if (left.length > 0)
    throw new LabError(`An earlier run left namespaces over (${left.join(', ')}): npm run lab -- clean`);
  rmSync(RUN_FOLDER, { recursive: true, force: true });
  mkdirSync(RUN_FOLDER, { recursive: true, mode: 0o755 });
  writeFileSync(OWNER_FILE, lifeOf(process.pid));
  return {
    folder: RUN_FOLDER,
    [Symbol.dispose]: () => rmSync(keep ? OWNER_FILE : RUN_FOLDER, { recursive: true, force: true }),
  };
}

/** Removes what an earlier run left over, the processes in its namespaces included. Gives what it removed. */
export async function clean(): Promise<readonly string[]> {
  refuseOther();
  const left = present();
  for (const name of left) await remove(name);
  if (existsSync(RUN_FOLDER)) {
    rmSync(RUN_FOLDER, { recursive: true, force: true });
    left.push(RUN_FOLDER);
  }
  return left;
}

async function remove(name: string): Promise<void> {
  const { stdout } = await run(['ip', 'netns', 'pids', name]);
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      // It has ended by itself.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  await must(['ip', 'netns', 'delete', name]);
}

/** A namespace that lives until it is disposed of, with all that is in it. */
export async function addNamespace(name: string): Promise<AsyncDisposable> {
  await must(['ip', 'netns', 'add', name]);
  const made = { [Symbol.asyncDispose]: () => remove(name) };
  try {
    await must(
      [
        'sysctl',
        '-q',
        '-w',
        'net.ipv6.conf.all.disable_ipv6=1',
        'net.ipv4.ip_forward=1',
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.default.rp_filter=0',
        // Or a run would begin with what the one before it had learnt.
        'net.ipv4.tcp_no_metrics_save=1',
        'net.mptcp.enabled=1',
      ],
      { ns: name },
    );
    await ip(name, ['link set lo up']);
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
  return made;
}

/** Commands of `ip`, in one namespace. */
export async function ip(ns: string, commands: readonly string[]): Promise<void> {
  await must(['ip', '-n', ns, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}
