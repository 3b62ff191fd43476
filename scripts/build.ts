/**
 * What `npm run build` runs: bundles src/main.ts into dist/linepool.mjs, one file that needs nothing but Node,
 * and proves it by running it from an empty folder. Whatever the bundler can not resolve is a failure here,
 * since it says so only in a warning.
 *
 *     node scripts/build.ts [--out FILE]
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build, type Plugin } from 'rolldown';
import { formatBytes } from '../src/core/units.ts';

const root = resolve(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const out = resolve(values.out ?? join(root, 'dist/linepool.mjs'));

/** Warnings of the bundler that mean a file which does not run. */
const FATAL = new Set(['UNRESOLVED_IMPORT', 'MISSING_EXPORT', 'IMPORT_IS_UNDEFINED', 'CIRCULAR_REEXPORT']);
const complaints: string[] = [];

/**
 * Of undici only what is used: its index loads fetch, WebSocket, caches and mocks too, several MiB of a router's
 * memory. A name that is newly used from undici must be added here, or the bundle is refused below.
 */
const UNDICI = { Agent: 'dispatcher/agent', Client: 'dispatcher/client', buildConnector: 'core/connect' };
const undiciCore: Plugin = {
  name: 'undici-core',
  resolveId: (id) => (id === 'undici' ? '\0undici-core' : null),
  load: (id) =>
    id === '\0undici-core'
      ? Object.entries(UNDICI)
          .map(
            ([name, file]) =>
              `export { default as ${name} } from '${root}/node_modules/undici/lib/${file}.js';`,
          )
          .join('\n')
      : null,
};

const result = await build({
  input: join(root, 'src/main.ts'),
  platform: 'node',
  treeshake: true,
  plugins: [undiciCore],
  onLog(level, log, handle) {
    if (level === 'warn' && FATAL.has(log.code ?? '')) complaints.push(log.message);
    else handle(level, log);
  },
  output: {
    file: out,
    format: 'esm',
    codeSplitting: false,
    // Names of functions and classes stay, so that a stack trace can be read.
    minify: { compress: { keepNames: { function: true, class: true } }, mangle: { keepNames: true } },
    banner: '#!/usr/bin/env node',
  },
});
const builtIn = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
for (const chunk of result.output) {
  if (chunk.type !== 'chunk') complaints.push(`a file beside the bundle: ${chunk.fileName}`);
  else
    for (const name of [...chunk.imports, ...chunk.dynamicImports])
      if (!builtIn.has(name) && !name.startsWith('node:'))
        complaints.push(`an import is left in it: ${name}`);
}
if (complaints.length > 0) {
  await rm(out, { force: true });
  throw new Error(`the bundle would not run:\n${complaints.join('\n')}`);
}
// V8 keeps a source with one character beyond latin1 in two bytes for each: escaped, it takes half the memory.
const code = await readFile(out, 'utf8');
await writeFile(
  out,
  code.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
);
await chmod(out, 0o755);

// From an empty folder: nothing of ours may be found by accident.
const empty = await mkdtemp(join(tmpdir(), 'linepool-build-'));
try {
  const { stdout } = await promisify(execFile)(process.execPath, [out, '--version'], { cwd: empty });
  const { size } = await stat(out);
  console.log(`${out}: ${stdout.trim()}, ${formatBytes(size)}`);
} finally {
  await rm(empty, { recursive: true });
}
