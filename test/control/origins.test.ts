import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMeant, RememberedOrigins, shownOrigins } from '../../src/control/origins.ts';
import { parseTarget } from '../../src/core/target.ts';
import { Health } from '../../src/paths/health.ts';
import { OWN } from '../../src/paths/path.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { serve } from './served.ts';

describe('an origin is meant', () => {
  const cases: readonly [string, string, boolean][] = [
    ['files.example', 'http://files.example', true],
    ['FILES.example', 'http://files.example', true],
    ['files.example', 'https://files.example:8443', true],
    ['files.example:8443', 'https://files.example:8443', true],
    ['https://files.example:8443', 'https://files.example:8443', true],
    ['https://files.example/', 'https://files.example', true],
    ['files.example:80', 'https://files.example:8443', false],
    ['http://files.example', 'https://files.example', false],
    ['example', 'http://files.example', false],
    ['[::1]', 'http://[::1]:8080', true],
    ['', 'http://files.example', false],
  ];
  for (const [text, origin, meant] of cases) {
    it(`${JSON.stringify(text)} ${meant ? 'is' : 'is not'} ${origin}`, () => {
      assert.equal(isMeant(text)(origin), meant);
    });
  }
});

it('what is remembered is shown in the words of the API, with the name of the line', () => {
  const health = new Health(new FakeClock());
  const { origin } = parseTarget('http://files.example:8080/secret/path?query');
  health.leaveOut(OWN, origin, 'origin_busy', 1_000, '(status 429)');
  const origins = shownOrigins(health, (path) => `line ${path}`);
  assert.deepEqual(RememberedOrigins.parse({ origins }), { origins });
  assert.equal(origins[0]?.origin, 'http://files.example:8080');
  assert.equal(origins[0]?.pathName, 'line own');
  assert.equal(origins[0]?.words, 'origin asked for fewer requests');
});

it('the API lists origins, and forgets one', async () => {
  await using served = await serve();
  const { text } = await served.ask('GET', '/v1/origins');
  assert.equal(RememberedOrigins.parse(JSON.parse(text)).origins[0]?.code, 'origin_busy');
  assert.equal((await served.ask('DELETE', '/v1/origins/busy.example')).status, 200);
  assert.equal((await served.ask('DELETE', '/v1/origins/other.example')).status, 404);
  assert.deepEqual(served.desk.asked.slice(-2), ['forget busy.example', 'forget other.example']);
});
