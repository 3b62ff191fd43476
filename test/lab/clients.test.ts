import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aria2Split, oneFile } from '../../lab/clients.ts';

const wanted = { file: '/run/x/file', url: 'http://origin.lab/file', proxy: 'http://10.1.1.1:3128' };
const finished = { code: 0, stdout: '1.5', stderr: '', wallMs: 1600 };

test('every client goes through the proxy with one connection, into the file', () => {
  for (const client of ['curl', 'wget', 'aria2'] as const) {
    const { command } = oneFile(client, wanted);
    assert.ok(command.join(' ').includes('http://10.1.1.1:3128'), client);
    assert.equal(command.at(-1), wanted.url);
    assert.ok(command.includes('/run/x/file') || (command.includes('/run/x') && command.includes('file')));
    assert.ok(!command.some((word) => /^-[xs]([2-9]|\d\d)/.test(word)), client);
  }
});

test('only aria2 that is told to splits a file, and goes around the proxy', () => {
  const { command } = aria2Split({ file: wanted.file, url: wanted.url });
  assert.ok(command.includes('-x16') && command.includes('-s16'));
  assert.ok(!command.join(' ').includes('proxy'));
});

test('a client that says how long it took is believed; of others it is the whole time', () => {
  assert.equal(oneFile('curl', wanted).ms(finished), 1500);
  assert.equal(oneFile('wget', wanted).ms(finished), 1600);
  assert.equal(oneFile('aria2', wanted).ms(finished), 1600);
});

test('what a client takes at most is told to each in its own words', () => {
  for (const client of ['curl', 'wget', 'aria2'] as const)
    assert.match(oneFile(client, { ...wanted, rate: 5_000_000.4 }).command.join(' '), /limit.*5000000\b/);
});

test('whose certificates are right is told to each in its own words, and only where it matters', () => {
  for (const client of ['curl', 'wget', 'aria2'] as const) {
    assert.match(
      oneFile(client, { ...wanted, authority: '/run/x/ca.pem' }).command.join(' '),
      /cert.*ca\.pem\b/,
    );
    assert.doesNotMatch(oneFile(client, wanted).command.join(' '), /cert/);
  }
});
