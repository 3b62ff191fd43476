/**
 * The figures of a scenario, for people. Pure; main.ts prints it.
 */
import type { Figures, SchemeFigures } from './figures.ts';

function scheme(name: string, figures: SchemeFigures): readonly string[] {
  const { ms, efficiency, neighbourPart, windowMiB, cpuPerGiB, cpuPerGiBBy } = figures;
  const spread = `${efficiency.least.toFixed(3)} to ${efficiency.most.toFixed(3)}`;
  const window = windowMiB.median.toFixed(1);
  const processes = Object.entries(cpuPerGiBBy).map(([process, s]) => `${process} ${s.toFixed(2)}`);
  return [
    `  ${name.padEnd(13)} ${(ms.median / 1000).toFixed(2)} s, efficiency ${efficiency.median.toFixed(3)} (${spread}), window ${window} MiB${neighbourPart === null ? ', not pooled' : ''}`,
    `  ${''.padEnd(13)} processor ${cpuPerGiB.median.toFixed(2)} s/GiB without the wire: ${processes.join(', ')}`,
  ];
}

export const shown = ({ schemes, bars, allRight }: Figures): readonly string[] => [
  ...Object.entries(schemes).flatMap(([name, figures]) => scheme(name, figures)),
  ...(allRight ? [] : ['  WRONG OR MISSING BYTES']),
  ...bars.map(
    ({ figure, bar, value, held }) =>
      `  ${held ? 'held  ' : 'MISSED'} ${figure} ${bar}: ${value === null ? 'not measured' : value.toFixed(3)}`,
  ),
];
