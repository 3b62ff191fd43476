/**
 * The last line of `get`: what was downloaded, how fast, and what each line brought. Pure.
 */
import { formatBytes, formatDuration, formatRate } from '../../core/units.ts';
import { printable } from '../table.ts';
import type { GetResult } from './get.ts';

export function showResult(result: GetResult): string {
  const { file, bytes, resumedBytes, ms, bytesPerSecond, paths, checksum } = result;
  const before = resumedBytes === 0 ? '' : `, of which ${formatBytes(resumedBytes)} were there`;
  const by = paths
    .filter((path) => path.bytes > 0)
    .map((path) => `${path.name} ${formatBytes(path.bytes)}`)
    .join(', ');
  const parts = [
    `${file}: ${formatBytes(bytes)}${before}, in ${formatDuration(ms)} (${formatRate(bytesPerSecond)})`,
    ...(by === '' ? [] : [by]),
    ...(checksum === null ? [] : [`${checksum.split('=')[0]} is right`]),
  ];
  return printable(parts.join('; '));
}
