/** A port for what must stand at a known one before it stands, or come back to the one that it had. Never one that the system hands out. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that Linux gives to whoever connects or asks for any (`ip_local_port_range`, from 32,768 on): of those, a port that
 * was free may be a neighbouring test's a moment later, while nothing of ours holds it.
 */
const PORTS = { from: 10_240, to: 32_768 } as const;

/** A port that nothing listens on at 127.0.0.1, and that nobody gets who doesn't ask for just this one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
