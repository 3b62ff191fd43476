import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { fileNameOf } from '../../../src/cli/get/naming.ts';
import { parseTarget } from '../../../src/core/target.ts';

const named = (url: string, disposition?: string): string =>
  fileNameOf(parseTarget(url), disposition === undefined ? [] : ['Content-Disposition', disposition]);

describe('file names', () => {
  const addresses: readonly [string, string][] = [
    ['http://files.example/a/b.iso', 'b.iso'],
    ['http://files.example/a/b.iso?x=/y', 'b.iso'],
    ['http://files.example/', 'download'],
    ['http://files.example/a/', 'download'],
    ['http://files.example/a%20b.iso', 'a b.iso'],
    ['http://files.example/%D1%84.iso', 'ф.iso'],
    ['http://files.example/%ff.iso', '%ff.iso'],
    ['http://files.example/..%2f..%2fetc%2fpasswd', 'passwd'],
    ['http://files.example/..', 'download'],
    ['http://files.example/.bashrc', 'bashrc'],
    ['http://files.example/-rf', 'rf'],
    ['http://files.example/a%00b%0a', 'ab'],
  ];
  for (const [url, expected] of addresses) {
    it(`${url} is ${expected}`, () => assert.equal(named(url), expected));
  }

  const dispositions: readonly [string, string][] = [
    ['attachment; filename="r.pdf"', 'r.pdf'],
    ['attachment; filename=r.pdf', 'r.pdf'],
    ['attachment;filename="a;b.pdf"', 'a;b.pdf'],
    ['attachment; filename="a\\"b.pdf"', 'a"b.pdf'],
    ['attachment; filename="../../etc/passwd"', 'passwd'],
    ['attachment; filename="/etc/passwd"', 'passwd'],
    ['attachment; filename="C:\\\\Windows\\\\x.exe"', 'x.exe'],
    ['attachment; filename="x"; filename*=UTF-8\'\'%e2%82%ac.txt', '€.txt'],
    ["attachment; filename*=UTF-8''..%2f..%2fx", 'x'],
    ['attachment; filename*=UTF-8\'\'%ff; filename="good"', 'good'],
    ["attachment; filename*=ISO-8859-1''%e9t%e9", 'été'],
    ['attachment; filename=".."', 'u.bin'],
    ['attachment; filename=""', 'u.bin'],
    ['attachment', 'u.bin'],
    ['inline; x="filename=no"', 'u.bin'],
    [`attachment; filename="${Buffer.from('ü.txt').toString('latin1')}"`, 'ü.txt'],
  ];
  for (const [value, expected] of dispositions) {
    it(`${value} is ${expected}`, () => assert.equal(named('http://files.example/u.bin', value), expected));
  }

  it('are plain, visible and short, whatever the server writes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 600 }), fc.string({ maxLength: 60 })),
        fc.constantFrom('filename="', 'filename=', "filename*=UTF-8''"),
        (text, key) => {
          const name = named('http://files.example/', `attachment; ${key}${text}"`);
          assert.notEqual(name, '');
          assert.doesNotMatch(name, /[/\\]|^[.~-]|\p{Cc}/u);
          assert.ok(Buffer.byteLength(`${name}.part.json`) <= 255);
        },
      ),
    );
  });
});
