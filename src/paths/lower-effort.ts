/**
 * Lower effort: what is sent for neighbours says so in every packet (DSCP LE, RFC 8622), so that a queue that knows it, here
 * or further on, lets all else go first. Asked by dial.ts for the relay's connections. What origins send is theirs to mark.
 * A system, or a Node before 24.15, that can't set it sends unmarked: it must never keep a connection from being used.
 */
import type { Socket } from 'node:net';

/** DSCP 000001, as the byte that IP carries: two bits for ECN follow. */
export const LOWER_EFFORT = 0x04;

/** Marks what is sent from now on; before it is connected, from its connecting on. False where that can't be. */
export function markLowerEffort(socket: Socket): boolean {
  try {
    socket.setTypeOfService(LOWER_EFFORT);
    return true;
  } catch {
    // No such method, or the system refuses: the mark is a courtesy, the share is what holds.
    return false;
  }
}
