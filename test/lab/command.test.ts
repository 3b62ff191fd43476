import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NEEDED } from '../../lab/needed.ts';
import { until } from '../support/until.ts';
import { type Ended, needsLab, TestLab } from './lab.ts';

/** One line for people, and the exit code of a lab that could not run. */
function refused({ code, err }: Ended, what: RegExp): void {
  assert.match(err, what);
  assert.equal(err.trim().split('\n').length, 1, err);
  assert.equal(code, 2);
}

describe('the command line of the lab', () => {
  let lab: TestLab;
  before(() => {
    lab = new TestLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  it('knows no such scenario, and says where they are', async () => {
    refused(await lab.run('run', 'atlantis'), /^There is no scenario "atlantis": npm run lab -- list/);
    assert.match((await lab.run('list')).out, /^three-homes .*\(quick\)$/m);
  });

  it('measures a single scenario whole or, where it is about lending, in short', async () => {
    refused(
      await lab.run('run', 'tiny', '--quick'),
      /^--quick is for scenarios about lending: .*"tiny" with --runs 1/,
    );
  });

  it('says what it needs', async () => {
    const { code, err } = await lab.run();
    assert.match(err, /^A command is needed: npm run lab -- list$/m);
    assert.equal(code, 2);
    refused(
      await lab.run('run', 'tiny', '--runs', 'many'),
      /--runs needs a number from 1 to 1000, not "many"/,
    );
  });

  it('goes on quietly when nobody reads to the end', async () => {
    const listing = lab.start([], {}, ['bash', '-c', '"$0" "$1" list | head -1']);
    assert.deepEqual((await listing.ended).err, '');
  });

  describe('as root, with all its programs', () => {
    // Of each test, so that what is left out is counted.
    const rooted = needsLab();
    /** Nothing of it is there any more. */
    const isGone = async (): Promise<void> => {
      await until('its processes are gone', () => lab.processes().length === 0);
      assert.deepEqual(lab.namespaces(), []);
      assert.equal(existsSync(lab.runFolder), false);
    };

    it('refuses to run as anybody else', rooted, async () => {
      // The capability is to read this checkout, wherever it lies, and gives nothing else.
      const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
      const reading = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=+dac_read_search', '--'];
      const ran = lab.start(['run', 'tiny'], {}, [...nobody, ...reading]);
      refused(await ran.ended, /needs root: run it as root/);
    });

    it('says which program is missing, and what brings it', rooted, async () => {
      const bin = join(lab.folder, 'bin');
      mkdirSync(bin);
      for (const program of Object.keys(NEEDED).filter((one) => one !== 'aria2c'))
        symlinkSync(
          execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim(),
          join(bin, program),
        );
      refused(
        await lab.start(['run', 'tiny'], { PATH: bin }).ended,
        /^The lab needs aria2c: apt-get install --no-install-recommends aria2$/m,
      );
    });

    it('refuses a name that could not be one', rooted, async () => {
      refused(await lab.start(['clean'], { LINEPOOL_LAB_NAME: 'a/b' }).ended, /LINEPOOL_LAB_NAME must be/);
    });

    it('finds a namespace that was left over, and removes it when told to', rooted, async () => {
      const name = `${lab.name}-router1`;
      execFileSync('ip', ['netns', 'add', name]);
      refused(await lab.run('run', 'tiny'), /left namespaces over \(t\d+-router1\): npm run lab -- clean/);
      assert.deepEqual(lab.namespaces(), [name]);
      const { code, err } = await lab.run('clean');
      assert.equal(err, `Removed ${name}.\n`);
      assert.equal(code, 0);
      assert.equal((await lab.run('clean')).err, 'Nothing was left over.\n');
      await isGone();
    });

    it('runs alone, and leaves nothing when it is interrupted', rooted, async () => {
      const running = lab.start(['run', 'tiny', '--runs', '100']);
      await running.said(/round 1/);
      refused(
        await lab.run('run', 'tiny'),
        /^Another lab is running \(process \d+\): wait until it has ended/,
      );
      refused(await lab.run('clean'), /^Another lab is running/);
      assert.ok(lab.namespaces().length >= 6 && lab.processes().length >= 5);
      running.interrupt();
      const { code, err } = await running.ended;
      assert.equal(err.trim().split('\n').at(-1), 'Interrupted; everything was removed.');
      assert.equal(code, 2);
      await isGone();
    });

    it(
      'when it is killed its processes end with it; what is left is cleaned, and it runs again',
      rooted,
      async () => {
        const running = lab.start(['run', 'tiny', '--runs', '100']);
        await running.said(/round 1/);
        running.kill();
        await running.ended;
        await until('its processes are gone', () => lab.processes().length === 0);
        refused(await lab.run('run', 'tiny'), /npm run lab -- clean/);
        assert.equal((await lab.run('clean')).code, 0);
        await isGone();
        const { code, out, err } = await lab.run('run', 'tiny', '--runs', '1', '--json');
        assert.equal(code, 0, err);
        const { held, scenarios } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as {
          readonly held: boolean;
          readonly scenarios: readonly { readonly scenario: string; readonly allRight: boolean }[];
        };
        assert.equal(held, true);
        assert.deepEqual(
          scenarios.map(({ scenario, allRight }) => ({ scenario, allRight })),
          [{ scenario: 'tiny', allRight: true }],
        );
        await isGone();
      },
    );
  });
});
