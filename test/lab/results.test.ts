import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { commit, keep, latestResults, type Result, type Round } from '../../lab/results.ts';

const ROUND: Round = { alone: [], aria2: undefined, mptcp: undefined, pooled: [], ownSmallMs: [] };

const hasGit = (process.env['PATH'] ?? '').split(delimiter).some((one) => existsSync(join(one, 'git')));

const resultOf = (at: number, more: Partial<Result> & { readonly count?: number } = {}): Result => {
  const { count = 5, ...rest } = more;
  return {
    scenario: 'two',
    at: new Date(at).toISOString(),
    machine: '',
    commit: '',
    quick: false,
    rounds: Array.from({ length: count }, () => ROUND),
    ...rest,
  };
};

describe('results', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'linepool-results-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are reported by the latest of five rounds or more', () => {
    for (const result of [resultOf(1000), resultOf(2000, { count: 9 })]) keep(result, folder);
    assert.equal(latestResults(folder).get('two')?.at, new Date(2000).toISOString());
  });

  it('are not replaced in a report by what is shorter, costs time besides, or has not ended', () => {
    keep(resultOf(1000), folder);
    keep(resultOf(2000, { count: 4 }), folder);
    keep(resultOf(3000, { quick: true }), folder);
    keep(resultOf(4000, { profiled: true }), folder);
    keep(resultOf(5000, { complete: false }), folder);
    assert.equal(latestResults(folder).get('two')?.at, new Date(1000).toISOString());
  });

  it('are one file from the first round to the last', () => {
    for (const count of [1, 2, 3, 4, 5]) keep(resultOf(1000, { count, complete: false }), folder);
    assert.equal(latestResults(folder).size, 0);
    keep(resultOf(1000, { complete: true }), folder);
    assert.equal(latestResults(folder).get('two')?.rounds.length, 5);
    assert.equal(readdirSync(folder).length, 1);
  });

  it('say when what was measured, or what measured it, is not that of the commit', {
    skip: hasGit ? false : 'needs git',
  }, () => {
    const git = (...args: readonly string[]): string =>
      execFileSync('git', ['-C', folder, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
    git('init', '-q');
    for (const room of ['src', 'lab', 'docs']) {
      mkdirSync(join(folder, room));
      writeFileSync(join(folder, room, 'file'), 'as it was');
    }
    git('add', '.');
    git('commit', '-q', '-m', 'first');
    const short = git('rev-parse', '--short=12', 'HEAD').trim();
    writeFileSync(join(folder, 'docs', 'file'), 'other');
    assert.equal(commit(folder), short);
    for (const room of ['src', 'lab']) {
      writeFileSync(join(folder, room, 'file'), 'other');
      assert.equal(commit(folder), `${short}+`);
      writeFileSync(join(folder, room, 'file'), 'as it was');
    }
  });
});
