/**
 * The kernel's counters of a device, as `/proc/PID/net/dev` has them. Pure.
 */
import type { Bytes } from '../src/core/units.ts';

export const ETHERNET_BYTES: Bytes = 14;

export interface Counted {
  readonly bytes: Bytes;
  readonly packets: number;
}

/** Of one device, from the text of that file; zeros when it is not there. */
export function deviceOf(netDev: string, device: string): Readonly<Record<'received' | 'sent', Counted>> {
  const line = netDev.split('\n').find((one) => one.trim().startsWith(`${device}:`));
  const fields = (line?.split(':')[1] ?? '').trim().split(/\s+/).map(Number);
  const [received = 0, receivedPackets = 0] = fields;
  const [sent = 0, sentPackets = 0] = fields.slice(8);
  return {
    received: { bytes: received, packets: receivedPackets },
    sent: { bytes: sent, packets: sentPackets },
  };
}

/** Bytes without Ethernet's headers. */
export const payload = ({ bytes, packets }: Counted): Bytes => bytes - packets * ETHERNET_BYTES;
