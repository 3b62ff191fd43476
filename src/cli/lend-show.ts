/**
 * Showing what is lent: the daemon's answer, as lines that people read. Pure.
 */
import type { Lending } from '../control/schema.ts';
import {
  type BytesPerSecond,
  formatBytes,
  formatDuration,
  formatRate,
  type Milliseconds,
} from '../core/units.ts';
import { pairs, table } from './table.ts';

export function showLending(lending: Lending): string[] {
  const { words, usage, line, settings, neighbours } = lending;
  const until = lending.until === undefined ? '' : `; until ${momentText(lending.until)}`;
  const lines = [
    ...pairs([
      ['Lent', `at most ${formatRate(lending.bytesPerSecond)}${words === '' ? '' : ` (${words}${until})`}`],
      ...(lending.upBytesPerSecond === undefined
        ? []
        : [['Lent up', `at most ${formatRate(lending.upBytesPerSecond)}`] as const]),
      ['Allowed', both(lending.allowed, 'not bounded')],
      ['Line', lineText(line)],
      ['Household', `${both(line.own, 'not known')} now`],
      ['Measured', measuredText(line)],
      ...(line.delay === undefined
        ? []
        : [
            [
              'Answers in',
              `${formatDuration(line.delay.ms)}, usually ${formatDuration(line.delay.usualMs)}`,
            ] as const,
          ]),
      ['Carried', `${formatBytes(usage.dayBytes)} today, ${formatBytes(usage.monthBytes)} this month`],
      ['Paused', pauseText(lending.pause)],
    ]),
    '',
    ...table(
      [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }],
      settings.map(({ key, value, from }) => [key, valueText(key, value), from]),
    ),
  ];
  if (neighbours.length === 0) return lines;
  return [
    ...lines,
    '',
    ...table(
      [
        { title: 'NEIGHBOUR' },
        { title: 'WEIGHT', align: 'right' },
        { title: 'TODAY', align: 'right' },
        { title: 'THIS MONTH', align: 'right' },
        { title: 'SET' },
        { title: '' },
      ],
      neighbours.map((one) => [
        one.name,
        one.weight.toFixed(2),
        formatBytes(one.dayBytes),
        formatBytes(one.monthBytes),
        Object.entries({ ...one.configured, ...one.set })
          .map(([key, value]) => `${key} ${valueText(key, value)}`)
          .join(', '),
        one.words,
      ]),
    ),
  ];
}

const both = (
  { down, up }: { down?: BytesPerSecond | undefined; up?: BytesPerSecond | undefined },
  none: string,
) => `${down === undefined ? none : formatRate(down)} down, ${up === undefined ? none : formatRate(up)} up`;

function lineText({ capacity, learned }: Lending['line']): string {
  if (capacity.down === undefined && capacity.up === undefined) return 'not known yet';
  const word = (isLearned: boolean): string => (isLearned ? 'learnt' : 'configured');
  const from =
    learned.down === learned.up ? word(learned.down) : `${word(learned.down)} down, ${word(learned.up)} up`;
  return `${both(capacity, 'not known')} (${from})`;
}

function measuredText({ interfaces, measuredBy, weak }: Lending['line']): string {
  const by = {
    counters: `by the counters of ${interfaces.join(', ')}`,
    own_traffic: 'by what this daemon itself fetches',
    nothing: 'not at the moment',
  }[measuredBy];
  return weak ? `${by} (weak: what others in the household use may not be seen here)` : by;
}

function pauseText({ kind, until }: Lending['pause']): string {
  if (kind === 'none') return 'no';
  return until === undefined ? 'until it is resumed' : `until ${momentText(until)}`;
}

function valueText(key: string, value: Lending['settings'][number]['value']): string {
  if (value === undefined) return key === 'share_percent_up' ? 'as share_percent' : 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  if (typeof value !== 'number') return String(value);
  if (key.startsWith('quota_')) return formatBytes(value);
  if (/^(?:rate|keep)(?:_up)?$/.test(key)) return formatRate(value);
  return key.startsWith('share_percent') ? `${value} %` : String(value);
}

/** `"2026-03-01 06:00"`, local time. */
function momentText(at: Milliseconds): string {
  const date = new Date(at);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
