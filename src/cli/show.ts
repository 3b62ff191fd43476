/**
 * Showing: what the daemon answers, as lines that people read. Pure; `--json` prints the answers as they are.
 */
import type {
  BlockedHousehold,
  Download,
  EventRecord,
  Neighbour,
  Status,
  Verdict,
} from '../control/schema.ts';
import { formatBytes, formatDuration, formatRate, type Milliseconds } from '../core/units.ts';
import { pairs, printable, table } from './table.ts';

export function showStatus(status: Status, now: Milliseconds): string[] {
  const { household, line, window, lending, memory } = status;
  const rate = line.downBytesPerSecond;
  const cap = lending.capBytesPerSecond;
  const lent = `${formatRate(lending.bytesPerSecond)} now, ${formatBytes(lending.bytes)} since the start`;
  return pairs([
    ['Household', `${household.name} (${household.shortId})`],
    [
      'Daemon',
      `version ${status.version}, process ${status.pid}, up for ${formatDuration(Math.max(0, now - status.startedAt))}`,
    ],
    ['Proxy', status.proxy.join(', ')],
    ['Control', status.control],
    ['Link', status.link.length === 0 ? 'none: neighbours can not call us' : status.link.join(', ')],
    [
      'Line',
      rate === undefined
        ? 'not known yet'
        : `${formatRate(rate)} down (${line.learned ? 'learnt' : 'configured'})`,
    ],
    ...(line.weak === true
      ? [['', 'measured weakly: what others in the household use may not be seen here'] as const]
      : []),
    [
      'Window',
      `${formatBytes(window.heldBytes)} of ${formatBytes(window.capBytes)} held, at most ${formatBytes(window.peakBytes)}`,
    ],
    [
      'Lending',
      lending.enabled
        ? `${lending.sharePercent} % of the line${cap === undefined ? '' : `, at most ${formatRate(cap)}`}: ${lent}`
        : 'off',
    ],
    ...(lending.words === undefined || lending.words === '' ? [] : [['', lending.words] as const]),
    ...(lending.cutOff === undefined || lending.cutOff.length === 0
      ? []
      : [['', `cut off, for asking on after refusals: ${lending.cutOff.join(', ')}`] as const]),
    ['Memory', formatBytes(memory.rssBytes)],
  ]);
}

export function showDownloads(downloads: readonly Download[]): string[] {
  if (downloads.length === 0) return ['No download has been pooled since the daemon started.'];
  const rows = downloads.map((download) => {
    const { bytes, deliveredBytes, state, code, ms, namesByPath } = download;
    const percent = bytes === 0 ? 100 : Math.floor((deliveredBytes / bytes) * 100);
    return [
      download.id,
      download.origin,
      formatBytes(bytes),
      state === 'live' ? `${percent} %` : code === undefined ? state : `${state}: ${code}`,
      ms > 0 ? formatRate((deliveredBytes / ms) * 1000) : '',
      formatDuration(ms),
      Object.entries(download.bytesByPath)
        .map(([path, brought]) => `${namesByPath[path] ?? path} ${formatBytes(brought)}`)
        .join(', '),
    ];
  });
  return table(
    [
      { title: 'ID' },
      { title: 'ORIGIN' },
      { title: 'SIZE', align: 'right' },
      { title: 'STATE' },
      { title: 'RATE', align: 'right' },
      { title: 'TIME', align: 'right' },
      { title: 'BY LINE' },
    ],
    rows,
  );
}

export function showVerdicts(verdicts: readonly Verdict[]): string[] {
  if (verdicts.length === 0) return ['No response has been looked at since the daemon started.'];
  return table(
    [
      { title: 'TIME' },
      { title: 'ORIGIN' },
      { title: 'SIZE', align: 'right' },
      { title: 'VERDICT' },
      { title: 'REASON' },
    ],
    verdicts.map(({ at, origin, bytes, pool, reason }) => [
      clockTime(at),
      origin,
      bytes === undefined ? '' : formatBytes(bytes),
      pool ? 'pool' : 'pass',
      reason,
    ]),
  );
}

export function showNeighbours(neighbours: readonly Neighbour[]): string[] {
  if (neighbours.length === 0) {
    return ['No neighbours yet. Pair with `linepool invite` on one side and `linepool join` on the other.'];
  }
  const rows = table(
    [
      { title: 'NAME' },
      { title: 'ID' },
      { title: 'LINK' },
      { title: 'OFFERS', align: 'right' },
      { title: 'ROUND TRIP', align: 'right' },
      { title: 'BORROWED', align: 'right' },
      { title: 'LENT', align: 'right' },
      { title: 'HTTP' },
      { title: 'ADDRESS' },
    ],
    neighbours.map((n) => [
      n.name,
      n.shortId,
      n.up
        ? n.link === undefined
          ? 'up'
          : `up, ${n.link}`
        : n.lastError === undefined
          ? 'down'
          : `down: ${n.lastError.code}`,
      n.offer === undefined ? '' : formatRate(n.offer.bytesPerSecond),
      n.roundTripMs === undefined ? '' : formatDuration(n.roundTripMs),
      formatBytes(n.borrowedBytes),
      formatBytes(n.lentBytes),
      n.caught === undefined ? (n.trust ?? '') : 'QUARANTINED',
      n.address ?? '',
    ]),
  );
  return [...rows, ...neighbours.flatMap(showCaught)];
}

/** What a quarantined neighbour did, and where there is more of it. */
function showCaught(neighbour: Neighbour): string[] {
  const { name, caught } = neighbour;
  if (caught === undefined) return [];
  const { at, origin, start, end, total, signed } = caught;
  const proof = signed === undefined ? 'It had not signed them yet' : 'Its own signature proves it';
  return [
    '',
    `${name} brought other bytes than our own line did: ${start} to ${end - 1} of ${total}, from ${origin}, on ${new Date(at).toISOString()}.`,
    `${proof}. More: linepool trust ${asArgument(neighbour)}`,
  ].map(printable);
}

/** A neighbour in a command that people copy to a shell: names come from other households. */
export const asArgument = ({ name, shortId }: Pick<Neighbour, 'name' | 'shortId'>): string =>
  /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name) ? name : shortId;

export function showBlocked(blocked: readonly BlockedHousehold[]): string[] {
  if (blocked.length === 0) return [];
  const rows = blocked.map((one) => [
    one.name,
    one.shortId,
    new Date(one.blockedAt).toISOString().slice(0, 10),
  ]);
  return ['', ...table([{ title: 'BLOCKED' }, { title: 'ID' }, { title: 'SINCE' }], rows)];
}

/** One line: time, kind, and what it says of itself. The units are in the names of the fields. */
export function showEvent({ at, event }: EventRecord): string {
  const words = Object.entries(event)
    .filter(([name, value]) => name !== 'kind' && value !== undefined && value !== null && value !== '')
    .map(([name, value]) => `${name}=${shownValue(name, value)}`);
  return printable([clockTime(at), event.kind, ...words].join('  '));
}

/** `14:05:10`, local time. */
export function clockTime(at: Milliseconds): string {
  return new Date(at).toTimeString().slice(0, 8);
}

function shownValue(name: string, value: unknown): string {
  if (typeof value === 'number') {
    if (/bytesPerSecond$/i.test(name)) return formatRate(value);
    if (/^bytes|bytes$/i.test(name)) return formatBytes(value);
    return /^ms$|Ms$/.test(name) ? formatDuration(value) : String(value);
  }
  if (Array.isArray(value)) return value.join(',');
  if (typeof value !== 'object' || value === null) return String(value);
  // By path: each entry has the unit of the whole.
  return Object.entries(value)
    .map(([path, amount]) => `${path}:${shownValue(name.replace(/ByPath$/, ''), amount)}`)
    .join(',');
}
