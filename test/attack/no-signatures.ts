/**
 * Loaded into a daemon's process before its own code (`node --import`): every signature holds there. For tests that show that an
 * attack would be seen to succeed. Nothing but tests may load it.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

Object.assign(crypto, { verify: () => true });
syncBuiltinESMExports();
