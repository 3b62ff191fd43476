/** What a process takes of the machine's memory, from /proc, for the benches. */
import { readFileSync } from 'node:fs';

const field = (pid: number, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) *
  1024;

/** Resident now, in bytes. */
export const residentBytes = (pid: number): number => field(pid, 'VmRSS');

/** The most that was ever resident, in bytes. */
export const peakResidentBytes = (pid: number): number => field(pid, 'VmHWM');
