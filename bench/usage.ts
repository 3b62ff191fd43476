/** What a process takes of the machine, from /proc, for the benches. */
import { readFileSync } from 'node:fs';

const field = (pid: number, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) *
  1024;

/** Resident now, in bytes. */
export const residentBytes = (pid: number): number => field(pid, 'VmRSS');

/** The most that was ever resident, in bytes. */
export const peakResidentBytes = (pid: number): number => field(pid, 'VmHWM');

/** Clock ticks per second, as /proc counts (`getconf CLK_TCK`): 100 on every Linux that we run on. */
const TICKS_PER_SECOND = 100;

/** Processor time that it has used so far, user and system, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // After the name, which may hold anything: fields 14 and 15 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
