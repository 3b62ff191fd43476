/**
 * What `npm run build` runs: bundles src/main.ts into dist/linepool.mjs, one file that needs nothing but Node,
 * and proves it by running it from an empty folder. Whatever the bundler can not resolve is a failure here,
 * since it says so only in a warning.
 *
 *     node scripts/build.ts [--out FILE]
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build } from 'rolldown';
import { formatBytes } from '../src/core/units.ts';

const root = resolve(import.meta.dirname, '..');
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const out = resolve(values.out ?? join(root, 'dist/linepool.mjs'));

/** Warnings of the bundler that mean a file which does not run. */
const FATAL = new Set(['UNRESOLVED_IMPORT', 'MISSING_EXPORT', 'IMPORT_IS_UNDEFINED', 'CIRCULAR_REEXPORT']);
const complaints: string[] = [];

const result = await build({
  input: join(root, 'src/main.ts'),
  platform: 'node',
  treeshake: true,
  onLog(level, log, handle) {
    if (level === 'warn' && FATAL.has(log.code ?? '')) complaints.push(log.message);
    else handle(level, log);
  },
  output: {
    file: out,
    format: 'esm',
    codeSplitting: false,
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
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
