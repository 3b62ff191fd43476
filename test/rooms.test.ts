/**
 * The rules of the house, as tests: who may import whom, what a file looks like, and what stays pure.
 * An arrow that is allowed against the order stands in EXCEPTIONS with its reason, and nowhere else.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const SRC = resolve(import.meta.dirname, '../src');

/** Top to bottom: a room imports only from itself and from rooms above it. */
const ROOMS = [
  'core',
  'neighbours',
  'ledger',
  'paths',
  'lending',
  'download',
  'proxy',
  'control',
  'cli',
  'demo',
];

/** They know every room: that is what they are for. */
const COMPOSITION = new Set(['main.ts', 'daemon.ts']);

/** Files outside the rooms, and the rooms that may import them. */
const ROOMLESS: Readonly<Record<string, readonly string[]>> = {
  // Rooms are handed what they need; only the command line reads files for people.
  'config.ts': ['cli'],
};

/** From file or room, to file or room: why. */
const EXCEPTIONS: readonly { from: string; to: string; why: string }[] = [
  {
    from: 'config-values.ts',
    to: 'lending/destinations.ts',
    why: 'what a host to be denied may look like is said once, by the room that denies it',
  },
];

/** No I/O and no time: they decide, others do. */
const PURE = [
  'core/{units,hours,span,target,http,errors,events}.ts',
  'demo/{answer,shaper}.ts',
  'download/plan*.ts',
  'ledger/{entry,terms,row,chain}.ts',
  'lending/{lease,policy,counters,meter,share,overrun,deal,strikes,delay,link-carry,blind}.ts',
  'neighbours/{pairing,comparison,rotation,rekeys,dns-sd,link-quality}.ts',
  'paths/roster.ts',
];

/** Modules and packages that compute and touch nothing. */
const HARMLESS = new Set([
  'node:assert',
  'node:buffer',
  'node:util',
  'node:url',
  'node:querystring',
  'jose',
  'zod',
]);

/** Modules of Node of which pure files may use what computes. */
const HARMLESS_NAMES: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['createHash', 'createHmac', 'hash', 'timingSafeEqual'],
};

const LARGEST_FILE_LINES = 400;
/** Longer ones, and why. */
const LONG_FILES: Readonly<Record<string, string>> = {};

interface Import {
  readonly from: string;
  /** The names in braces. */
  readonly names: readonly string[];
  readonly typesOnly: boolean;
}

interface Source {
  readonly file: string;
  readonly text: string;
  /** Without comments and strings: what is left is code. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = globSync('**/*.ts', { cwd: SRC })
  .sort()
  .map((file) => {
    const text = readFileSync(join(SRC, file), 'utf8');
    return { file, text, code: codeOf(text), imports: importsOf(text) };
  });

function codeOf(text: string): string {
  return text.replaceAll(
    /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g,
    (match) => (match.startsWith('/') ? '' : "''"),
  );
}

function importsOf(text: string): Source['imports'] {
  const without = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gm, '');
  const found = without.matchAll(
    /^(?:(?:import|export)\s(?<what>[^;'"]*?)\sfrom\s|import\s)'(?<named>[^']+)'|\bimport\('(?<lazy>[^']+)'\)/gm,
  );
  return [...found].map(({ groups = {} }) => ({
    from: groups['named'] ?? groups['lazy'] ?? '',
    names: (/\{([^}]*)\}/.exec(groups['what'] ?? '')?.[1] ?? '').split(',').flatMap((name) => {
      const bare = name.trim();
      return bare === '' || bare.startsWith('type ') ? [] : bare.replace(/\sas\s.*/, '');
    }),
    typesOnly: /^type\s/.test(groups['what'] ?? ''),
  }));
}

const roomOf = (file: string): string | undefined => (file.includes('/') ? file.split('/')[0] : undefined);

/** Where an import within src leads; undefined for a package or a module of Node. */
const leadsTo = (file: string, from: string): string | undefined =>
  from.startsWith('.') ? relative(SRC, resolve(join(SRC, dirname(file)), from)) : undefined;

const matches = (name: string, file: string): boolean => name === file || name === roomOf(file);

function forbidden(file: string, to: string): string | undefined {
  if (COMPOSITION.has(file)) return undefined;
  if (EXCEPTIONS.some((e) => matches(e.from, file) && matches(e.to, to))) return undefined;
  if (COMPOSITION.has(to)) return 'nothing imports the composition root';
  const room = roomOf(file);
  const target = roomOf(to);
  if (target === undefined) {
    const may = ROOMLESS[to] ?? [];
    return room === undefined || may.includes(room) ? undefined : `only ${may.join(', ')} may import it`;
  }
  if (room === undefined) return target === 'core' ? undefined : 'a file outside the rooms imports core only';
  return ROOMS.indexOf(target) <= ROOMS.indexOf(room) ? undefined : `${target} is below ${room}`;
}

test('the rooms are those of the list', () => {
  const rooms = new Set(sources.map(({ file }) => roomOf(file)).filter((room) => room !== undefined));
  assert.deepEqual(
    [...rooms].filter((room) => !ROOMS.includes(room)),
    [],
  );
  assert.ok(sources.length > 10);
});

test('a room imports only from itself and from rooms above it', () => {
  const wrong = sources.flatMap(({ file, imports }) =>
    imports.flatMap(({ from }) => {
      const to = leadsTo(file, from);
      const why = to === undefined ? undefined : forbidden(file, to);
      return why === undefined ? [] : [`${file} imports ${to}: ${why}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test('every exception is used, and has a reason', () => {
  for (const { from, to, why } of EXCEPTIONS) {
    assert.ok(why.length > 20, `${from} -> ${to}: why?`);
    const used = sources.some(
      ({ file, imports }) =>
        matches(from, file) && imports.some((i) => matches(to, leadsTo(file, i.from) ?? '')),
    );
    assert.ok(used, `${from} -> ${to} is not used any more`);
  }
});

test('imports form no cycle', () => {
  const graph = new Map(
    sources.map(({ file, imports }) => [
      file,
      imports.filter(({ typesOnly }) => !typesOnly).flatMap(({ from }) => leadsTo(file, from) ?? []),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(file), `a cycle: ${[...trail, file].join(' -> ')}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
});

test('there are no barrels', () => {
  const barrels = sources.filter(
    ({ file, code }) => /(^|\/)index\.ts$/.test(file) || /^export\s+\*/m.test(code),
  );
  assert.deepEqual(
    barrels.map(({ file }) => file),
    [],
  );
});

test(`no file is longer than ${LARGEST_FILE_LINES} lines, but those that are said to be`, () => {
  const long = sources.filter(({ text }) => text.split('\n').length > LARGEST_FILE_LINES + 1);
  assert.deepEqual(
    long.map(({ file }) => file),
    Object.keys(LONG_FILES).sort(),
  );
});

test('every file opens with what it is', () => {
  const silent = sources.filter(({ text }) => !/^(?:#![^\n]*\n)?\/\*\*\n \* \S/.test(text));
  assert.deepEqual(
    silent.map(({ file }) => file),
    [],
  );
});

test('only core/clock.ts reads time or sets a timer', () => {
  const clocks =
    /\b(?:setTimeout|setInterval|performance\.now|Date\.now|new Date\(\)|process\.hrtime)\b|new Date\(\)/;
  const wrong = sources.filter(
    ({ file, code, imports }) =>
      file !== 'core/clock.ts' &&
      (clocks.test(code.replaceAll(/\.\s*setTimeout\b/g, '')) ||
        imports.some(({ from }) => /^(?:node:)?(?:timers|perf_hooks)/.test(from))),
  );
  assert.deepEqual(
    wrong.map(({ file }) => file),
    [],
  );
});

test('randomness is that of node:crypto', () => {
  assert.deepEqual(
    sources.filter(({ code }) => /\bMath\.random\b/.test(code)).map(({ file }) => file),
    [],
  );
});

function touchesTheWorld({ from, names, typesOnly }: Import): boolean {
  if (typesOnly || from.startsWith('.') || HARMLESS.has(from)) return false;
  const may = HARMLESS_NAMES[from];
  return may === undefined || !names.every((name) => may.includes(name));
}

test('what is to be pure imports nothing that touches the world', () => {
  const pure = new Set(PURE.flatMap((pattern) => globSync(pattern, { cwd: SRC })));
  const wrong = sources
    .filter(({ file }) => pure.has(file))
    .flatMap(({ file, imports }) =>
      imports.filter(touchesTheWorld).map(({ from }) => `${file} imports ${from}`),
    );
  assert.deepEqual(wrong, []);
  // And nothing that is not pure through a file of ours that reads the clock.
  for (const { file, imports } of sources.filter((source) => pure.has(source.file)))
    for (const { from, typesOnly } of imports)
      assert.ok(typesOnly || leadsTo(file, from) !== 'core/clock.ts', `${file} imports the clock`);
});
