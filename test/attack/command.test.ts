/** The command line of the attacks, with attacks handed in that come to what a test wants. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { type Attack, AttackError, type Figures, type Means, NEVER } from '../../attack/attack.ts';
import { attackCommand } from '../../attack/command.ts';

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function ran(
  attacks: readonly Attack[],
  args: readonly string[],
  signal = new AbortController().signal,
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await attackCommand(attacks, args, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    signal,
  });
  return { code, out, err };
}

const fake = (name: string, run: (means: Means) => Promise<Figures>): Attack => ({
  name,
  says: `an attack that is called ${name}`,
  bar: NEVER,
  quickTries: 10,
  tries: 1_000,
  run,
});
const held = fake('holds', ({ tries }) => Promise.resolve({ tries, wrong: 0, values: { share: 1 / 3 } }));
const missed = fake('fails', ({ tries }) =>
  Promise.resolve({ tries, wrong: 2, examples: ['byte 7 was wrong', 'byte 9 was wrong'] }),
);

describe('the command line of the attacks', () => {
  it('exits with 0 when every bar held, and prints one JSON object last', async () => {
    const { code, out } = await ran([held], ['--json', '--seed', '7']);
    assert.equal(code, 0);
    const { seconds, ...one } = JSON.parse(out.at(-1) ?? '').attacks[0] as Record<string, unknown>;
    assert.equal(typeof seconds, 'number');
    assert.deepEqual(one, {
      name: 'holds',
      tries: 1_000,
      wrong: 0,
      values: { share: 0.333333 },
      bar: '0 wrong',
      held: true,
    });
    const { held: all, seed } = JSON.parse(out.at(-1) ?? '') as { held: boolean; seed: number };
    assert.deepEqual({ all, seed }, { all: true, seed: 7 });
    assert.match(out[1] ?? '', /^holds +1,000 +0 +0 wrong +held/);
  });

  it('exits with 1 when one was missed, goes on with the others, and says what went wrong and how to repeat it', async () => {
    const { code, out, err } = await ran([missed, held], ['--quick', '--seed', '5']);
    assert.equal(code, 1);
    assert.match(out[1] ?? '', /^fails +10 +2 .*MISSED/);
    assert.match(out[2] ?? '', /^holds +10 +0 .*held/);
    assert.ok(err.includes('  WRONG: byte 7 was wrong'), err.join('\n'));
    assert.ok(err.includes('To repeat it: --seed 5'), err.join('\n'));
  });

  it('leaves out what tells nothing in short, with --quick alone', async () => {
    const long = { ...missed, name: 'long', quickTries: 0 };
    const { code, err } = await ran([held, long], ['--quick']);
    assert.equal(code, 0);
    assert.ok(err.includes('long: left out, it takes the long form'), err.join('\n'));
    assert.equal((await ran([held, long], [])).code, 1);
  });

  it('exits with 2 when what is named tells nothing in short', async () => {
    const long = { ...held, name: 'long', quickTries: 0 };
    for (const names of [['long'], ['holds', 'long']]) {
      const { code, out, err } = await ran([held, long], ['--quick', ...names]);
      assert.equal(code, 2);
      assert.deepEqual(out, []);
      assert.deepEqual(err, ['long: tells nothing in short. Run it without --quick.']);
    }
  });

  it('holds no bar by trying too little', async () => {
    assert.equal((await ran([fake('lazy', () => Promise.resolve({ tries: 999, wrong: 0 }))], [])).code, 1);
  });

  it('exits with 2 and one line when it can not run', async () => {
    const cannot = fake('cannot', () => Promise.reject(new AttackError('It needs root: run it as root.')));
    const { code, out, err } = await ran([cannot], []);
    assert.equal(code, 2);
    assert.deepEqual(out, []);
    assert.equal(err.at(-1), 'It needs root: run it as root.');
  });

  for (const [args, line] of [
    [['--fast'], /^error: unknown option '--fast'/],
    [['atlantis'], /^There is no attack "atlantis": npm run attack -- --list shows them\.$/],
    [['--seed', 'x'], /^--seed needs a number from 0 to 2147483647, not "x"\.$/],
    [['--seed'], /^error: option '--seed <number>' argument missing$/],
  ] as const)
    it(`refuses ${args.join(' ')} in one line`, async () => {
      const { code, out, err } = await ran([held], args);
      assert.equal(code, 2);
      assert.deepEqual(out, []);
      assert.equal(err.length, 1, err.join('\n'));
      assert.match(err[0] ?? '', line);
    });

  it('runs those that are named, and shows what there is', async () => {
    assert.equal((await ran([missed, held], ['holds'])).code, 0);
    const { code, out } = await ran([missed, held], ['--list']);
    assert.equal(code, 0);
    assert.match(out.join('\n'), /^fails +an attack that is called fails .*\nholds /);
  });

  it('gives the same seed to all, and says so when it was interrupted', async () => {
    const seeds: number[] = [];
    const seen = fake('seen', ({ seed, tries }) => {
      seeds.push(seed);
      return Promise.resolve({ tries, wrong: 0 });
    });
    await ran([seen, seen], []);
    assert.equal(new Set(seeds).size, 1);
    const interrupt = new AbortController();
    interrupt.abort(new Error('interrupted'));
    const { code, err } = await ran([held], [], interrupt.signal);
    assert.equal(code, 2);
    assert.deepEqual(err, ['Interrupted; everything was ended.']);
  });

  it('is there as npm run attack', () => {
    const main = resolve(import.meta.dirname, '../../attack/main.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--list'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^ssrf /m);
    assert.equal(spawnSync(process.execPath, [main, '--fast'], { encoding: 'utf8' }).status, 2);
  });
});
