import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { draw, LINE_EVERY_MS, REDRAW_EVERY_MS } from '../../../src/cli/get/drawer.ts';
import { renderPlain, renderProgress, type Snapshot } from '../../../src/cli/get/progress.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const MB = 1024 * 1024;
const snapshot = (change: Partial<Snapshot> = {}): Snapshot => ({
  name: 'image.iso',
  doing: 'fetching',
  bytesTotal: 100 * MB,
  bytesDone: 52 * MB,
  bytesPerSecond: 8_525_000,
  msLeft: 6_100,
  paths: [
    { name: 'own line', bytes: 38 * MB, bytesPerSecond: 6_012_500, state: 'fetching' },
    { name: 'Third floor', bytes: 14 * MB, bytesPerSecond: 2_512_500, state: 'fetching' },
    { name: 'Garden', bytes: 0, bytesPerSecond: 0, state: 'out' },
  ],
  ...change,
});

describe('progress', () => {
  const cases: readonly [string, Snapshot, string[]][] = [
    [
      'under way',
      snapshot(),
      [
        'image.iso  ██████████░░░░░░░░░░  52 %  52.0 MiB / 100 MiB  68.2 Mbit/s  6.1 s left',
        '  own line     48.1 Mbit/s    38.0 MiB',
        '  Third floor  20.1 Mbit/s    14.0 MiB',
        '  Garden               out         0 B',
      ],
    ],
    ['at its start', snapshot({ doing: 'connecting', paths: [] }), ['image.iso  connecting']],
    [
      'of unknown length',
      snapshot({ bytesTotal: undefined, msLeft: undefined, paths: [] }),
      ['image.iso  52.0 MiB  68.2 Mbit/s'],
    ],
    [
      'at its end',
      snapshot({ doing: 'complete', bytesDone: 100 * MB, paths: [] }),
      ['image.iso  ████████████████████  100 %  100 MiB / 100 MiB  68.2 Mbit/s'],
    ],
    [
      'an empty file',
      snapshot({ doing: 'complete', bytesTotal: 0, bytesDone: 0, paths: [] }),
      ['image.iso  ████████████████████  100 %  0 B / 0 B  68.2 Mbit/s'],
    ],
    [
      'being checked',
      snapshot({ doing: 'checking', paths: [] }),
      ['image.iso  ██████████░░░░░░░░░░  52 %  checking'],
    ],
    [
      'with a hostile name',
      snapshot({ name: '\x1b[31mred\u202e', doing: 'connecting', paths: [] }),
      ['\ufffd[31mred\ufffd  connecting'],
    ],
  ];
  for (const [what, given, expected] of cases) {
    it(what, () => assert.deepEqual(renderProgress(given, 120), expected));
  }

  it('never says done before it is', () => {
    const [line] = renderProgress(snapshot({ bytesDone: 100 * MB - 1 }), 120);
    assert.match(line ?? '', /░ {2}99 %/);
  });

  it('fits into any width, and does not scroll', () => {
    const many = Array.from({ length: 40 }, (_, n) => ({
      name: `n${n}`,
      bytes: MB,
      bytesPerSecond: 125_000,
      state: 'fetching' as const,
    }));
    for (const width of [10, 40, 79]) {
      const lines = renderProgress(snapshot({ paths: many, name: 'x'.repeat(200) }), width);
      assert.equal(lines.length, 14);
      for (const line of lines) assert.ok(line.length <= width);
    }
    assert.match(
      renderProgress(snapshot({ paths: many }), 79).at(-1) ?? '',
      /28 more\s+28\.0 Mbit\/s\s+28\.0 MiB/,
    );
  });

  it('is one plain line for a log', () => {
    assert.equal(
      renderPlain(snapshot()),
      'image.iso  52 %  52.0 MiB / 100 MiB  68.2 Mbit/s  6.1 s left  (own line 38.0 MiB, Third floor 14.0 MiB, Garden 0 B)',
    );
  });
});

describe('drawer', () => {
  it('redraws in place on a terminal, and leaves the end standing', () => {
    const clock = new FakeClock();
    const written: string[] = [];
    const drawing = draw({ isTTY: true, columns: 100, write: (text) => written.push(text) }, clock, () =>
      snapshot(),
    );
    clock.advance(REDRAW_EVERY_MS * 3);
    drawing[Symbol.dispose]();
    assert.equal(written.length, 5);
    assert.ok(!written[0]?.includes('\x1b[4A'));
    for (const text of written.slice(1)) assert.ok(text.startsWith('\x1b[4A\r\x1b[2Kimage.iso'));
    assert.equal(clock.pending, 0);
  });

  it('writes a line now and then elsewhere', () => {
    const clock = new FakeClock();
    const written: string[] = [];
    const drawing = draw({ write: (text) => written.push(text) }, clock, () => snapshot());
    clock.advance(LINE_EVERY_MS * 2);
    drawing[Symbol.dispose]();
    assert.deepEqual(written, [`${renderPlain(snapshot())}\n`, `${renderPlain(snapshot())}\n`]);
    assert.equal(clock.pending, 0);
  });
});
