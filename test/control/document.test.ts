import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ROUTES } from '../../src/control/routes.ts';
import { serve } from './served.ts';

const text = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');

describe('docs/control.md', () => {
  it('has every route, and no other', () => {
    const there = ROUTES.flatMap(({ path, methods }) =>
      Object.keys(methods).map((method) => `${method} ${path.replace(/\*$/, '')}`),
    );
    const written = [...text.matchAll(/^\| `([A-Z]+) (\/v1\/[a-z]+\/?)(?:ID|NAME)?`/gm)].map(
      ([, method, path]) => `${method} ${path}`,
    );
    assert.deepEqual(written.sort(), there.sort());
  });

  it('has every metric', async () => {
    await using served = await serve();
    const { text: metrics } = await served.ask('GET', '/metrics');
    for (const [, name = ''] of metrics.matchAll(/^# TYPE (linepool_\w+)/gm)) {
      const tail = name.replace('linepool_window', '…');
      assert.ok(text.includes(`\`${name}\``) || text.includes(`\`${tail}\``), name);
    }
  });
});
