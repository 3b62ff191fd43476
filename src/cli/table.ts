/**
 * Tables of text for the terminal. Pure. Names in them come from other households: nothing may steer the terminal.
 */

/** Where a command's lines go. */
export type Print = (line: string) => void;

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Lines, the titles first; columns are two spaces apart, and no line ends in spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => columns.map((_, i) => printable(row[i] ?? '')));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...clean.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return columns[i]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...clean.map(line)];
}

/** `Name   value` lines. */
export function pairs(entries: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`.trimEnd());
}

/** Control and invisible formatting characters replaced. */
export const printable = (text: string): string => text.replace(/\p{C}/gu, '\ufffd');
