import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { markRules } from '../../src/cli/marks.ts';

const canLoad =
  process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'nft', 'list', 'tables']).status === 0;
const skip = canLoad ? false : 'needs root, unshare and nft';

/** Connects to itself as the relay does, in a namespace of its own. */
const TRAFFIC = `
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dial } from '${new URL('../../src/paths/dial.ts', import.meta.url).href}';
const server = createServer((socket) => socket.end('hello')).listen(5555, '127.0.0.1');
await once(server, 'listening');
const options = { pinned: new Map(), connectTimeout: 3000, lowerEffort: process.argv[2] === 'lent' };
const socket = await dial({ host: '127.0.0.1', port: 5555 }, options);
socket.resume().end('hi');
await once(socket, 'close');
server.close();
`;
const COUNTERS = `
table inet count {
  chain c {
    type filter hook input priority 10;
    tcp dport 5555 ip dscp 0x01 counter comment "sent"
    tcp sport 5555 ip dscp 0x01 counter comment "received"
  }
}
`;

function counted(traffic: 'lent' | 'own'): Record<string, number> {
  const dir = mkdtempSync(join(tmpdir(), 'linepool-marks-'));
  try {
    writeFileSync(join(dir, 'rules'), `${markRules().join('\n')}\n`);
    writeFileSync(join(dir, 'counters'), COUNTERS);
    writeFileSync(join(dir, 'traffic.mts'), TRAFFIC);
    // Loaded twice: the second time replaces the first.
    const steps = [
      'ip link set lo up',
      `nft -f ${dir}/rules`,
      `nft -f ${dir}/rules`,
      `nft -f ${dir}/counters`,
      `${process.execPath} ${dir}/traffic.mts ${traffic}`,
      'nft -j list table inet count',
    ].join(' && ');
    const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', steps], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const { nftables } = JSON.parse(stdout) as {
      readonly nftables: readonly {
        readonly rule?: {
          readonly comment: string;
          readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
        };
      }[];
    };
    return Object.fromEntries(
      nftables.flatMap(({ rule }) => {
        const packets = rule?.expr.find(({ counter }) => counter !== undefined)?.counter?.packets;
        return rule === undefined || packets === undefined ? [] : [[rule.comment, packets]];
      }),
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('with the rules loaded, what is carried for others is marked both ways, and nothing else is', {
  skip,
}, () => {
  const { sent = 0, received = 0 } = counted('lent');
  assert.ok(sent > 0 && received > 0, `${sent} and ${received} packets were marked`);
  assert.deepEqual(counted('own'), { sent: 0, received: 0 });
});
