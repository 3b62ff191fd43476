/**
 * Resetting a TCP connection, used wherever a transfer ends that must not look complete. Node's own way fails without a word while our
 * side is being ended (libuv refuses to reset during a shutdown), and leaves the connection open for ever.
 */
import type { Socket } from 'node:net';

/** At once; where our side was ended already the system resets it as soon as anything more comes. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
