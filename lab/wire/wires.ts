/**
 * Which wire is used: netem where this kernel has it, else the one in user space; or the one that LINEPOOL_LAB_WIRE names.
 * Called by what lays neighbourhoods and by calibrate.ts.
 */
import { LabError } from '../failure.ts';
import { addNamespace, PROBE_NS } from '../namespaces.ts';
import type { Wires } from './contract.ts';
import { hasNetem, NetemWires } from './netem.ts';
import { compileWire, TunWires } from './wire.ts';

export type WireKind = 'netem' | 'tun';

/** @throws LabError when a wire is asked for that is not to be had */
export function chooseWire(wanted: string | undefined, isNetemThere: boolean): WireKind {
  if (wanted === undefined || wanted === '') return isNetemThere ? 'netem' : 'tun';
  if (wanted === 'tun') return 'tun';
  if (wanted !== 'netem') throw new LabError(`LINEPOOL_LAB_WIRE must be netem or tun, not "${wanted}".`);
  if (isNetemThere) return 'netem';
  throw new LabError('This kernel has no netem: modprobe sch_netem, or LINEPOOL_LAB_WIRE=tun');
}

/** @throws LabError */
export async function wireKind(): Promise<WireKind> {
  await using _ns = await addNamespace(PROBE_NS);
  return chooseWire(process.env['LINEPOOL_LAB_WIRE'], await hasNetem(PROBE_NS));
}

export async function openWires(): Promise<Wires> {
  const tun = new TunWires(await compileWire());
  try {
    return (await wireKind()) === 'netem' ? new NetemWires(tun) : tun;
  } catch (error) {
    await tun[Symbol.asyncDispose]();
    throw error;
  }
}
