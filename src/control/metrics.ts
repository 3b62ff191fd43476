/**
 * Metrics: what the daemon counts, in Prometheus' words. api.ts imports this file when somebody first asks.
 * Values are read at each scrape from the desk and the tally; nothing here runs between scrapes, which is also why
 * prom-client's default metrics are left out: they sample the event loop all the time and would wake an idle router.
 */
import { readdirSync } from 'node:fs';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Desk } from './desk.ts';
import type { Counts, Tally } from './tally.ts';

type Labelled = readonly (readonly [Readonly<Record<string, string>>, number])[];

const labelled = (name: string, counts: ReadonlyMap<string, number>): Labelled =>
  [...counts].map(([label, count]) => [{ [name]: label }, count]);

const perDirection = (
  { down, up }: { readonly down?: number | undefined; readonly up?: number | undefined },
  labels: Readonly<Record<string, string>> = {},
): Labelled => [
  ...(down === undefined ? [] : [[{ ...labels, direction: 'down' }, down] as const]),
  ...(up === undefined ? [] : [[{ ...labels, direction: 'up' }, up] as const]),
];

/** The registry of one daemon; `metrics()` of the result is the text to answer with. */
export function openMetrics(desk: Desk, tally: Tally): Registry {
  const registry = new Registry();
  /** What only grows; its name ends in `_total`. */
  const counter = (name: string, help: string, labelNames: string[], read: () => Labelled): void => {
    const metric = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        metric.reset();
        for (const [labels, value] of read()) metric.inc(labels, value);
      },
    });
  };
  const gauge = (name: string, help: string, labelNames: string[], read: () => Labelled): void => {
    const metric = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        metric.reset();
        const values = read();
        // A reset metric without labels reads 0, which would be a lie where nothing is known.
        if (values.length === 0 && labelNames.length === 0) metric.remove();
        for (const [labels, value] of values) metric.set(labels, value);
      },
    });
  };
  const one = (value: number): Labelled => [[{}, value]];
  const counts = (pick: (counts: Counts) => Labelled) => () => pick(tally.counts);

  gauge('linepool_build_info', 'Always 1; the version is in the label.', ['version'], () => [
    [{ version: desk.status().version }, 1],
  ]);

  counter(
    'linepool_downloads_total',
    'Pooled downloads that ended.',
    ['outcome'],
    counts((c) => labelled('outcome', c.downloads)),
  );
  gauge('linepool_downloads_live', 'Pooled downloads that are going on.', [], () =>
    one(desk.downloads().filter((download) => download.state === 'live').length),
  );
  counter('linepool_bytes_total', 'Bytes of pooled downloads, by kind of path.', ['path_kind'], () => {
    const totals = desk.totals();
    return [
      [{ path_kind: 'own' }, totals.ownBytes],
      [{ path_kind: 'neighbour' }, totals.borrowedBytes],
    ];
  });
  counter(
    'linepool_bytes_twice_total',
    'Bytes of ended downloads that were fetched over two paths.',
    [],
    counts((c) => one(c.bytesTwice)),
  );
  counter('linepool_passed_bytes_total', 'Response bytes that passed through unpooled.', [], () =>
    one(desk.totals().passedBytes),
  );
  counter('linepool_requests_total', 'Requests that the proxy answered.', [], () =>
    one(desk.totals().requests),
  );
  counter(
    'linepool_verdicts_total',
    'Responses judged, by verdict.',
    ['verdict'],
    counts((c) => labelled('verdict', c.verdicts)),
  );
  counter(
    'linepool_span_failures_total',
    'Spans that a path did not bring, by error code.',
    ['code'],
    counts((c) => labelled('code', c.spanFailures)),
  );

  gauge('linepool_window_bytes', 'Reorder memory held now.', [], () => one(desk.status().window.heldBytes));
  gauge('linepool_window_peak_bytes', 'Most reorder memory ever held.', [], () =>
    one(desk.status().window.peakBytes),
  );
  gauge('linepool_window_cap_bytes', 'Reorder memory allowed.', [], () => one(desk.status().window.capBytes));
  gauge('linepool_line_down_bytes_per_second', 'What the own line carries down, if known.', [], () => {
    const rate = desk.status().line.downBytesPerSecond;
    return rate === undefined ? [] : one(rate);
  });

  counter('linepool_lent_bytes_total', 'Bytes carried for neighbours.', [], () =>
    one(desk.totals().lentBytes),
  );
  counter(
    'linepool_signed_bytes_total',
    'Bytes that both households have signed for, by what they were to us.',
    ['direction'],
    () =>
      (['lent', 'borrowed'] as const).map((direction) => [
        { direction },
        desk.neighbours().reduce((sum, { signed }) => sum + (signed?.[`${direction}Bytes`] ?? 0), 0),
      ]),
  );
  gauge('linepool_lent_bytes_per_second', 'What is being carried for neighbours now.', [], () =>
    one(desk.status().lending.bytesPerSecond),
  );
  counter(
    'linepool_lend_refusals_total',
    'Requests of neighbours that were refused, by error code.',
    ['code'],
    counts((c) => labelled('code', c.lendRefusals)),
  );
  counter(
    'linepool_lend_cut_offs_total',
    'How often a neighbour was cut off because it asked on and on after it was refused.',
    [],
    counts((c) => one(c.cutOffs)),
  );
  gauge(
    'linepool_lend_ceiling_bytes_per_second',
    'What is lent to all neighbours together at most: now, and by policy alone.',
    ['direction', 'by'],
    () => {
      const { bytesPerSecond, upBytesPerSecond, allowed } = desk.lending();
      return [
        ...perDirection({ down: bytesPerSecond, up: upBytesPerSecond }, { by: 'now' }),
        ...perDirection(allowed, { by: 'policy' }),
      ];
    },
  );
  gauge(
    'linepool_own_demand_bytes_per_second',
    'What the household itself uses of its line now, if it can be told.',
    ['direction'],
    () => perDirection(desk.lending().line.own),
  );
  gauge(
    'linepool_line_capacity_bytes_per_second',
    'What the line can carry, as configured or learnt, if known.',
    ['direction'],
    () => perDirection(desk.lending().line.capacity),
  );
  gauge(
    'linepool_borrower_bytes_per_second',
    'What a neighbour borrows now, by the first part of its id.',
    ['neighbour', 'direction'],
    () =>
      desk
        .lending()
        .neighbours.flatMap(({ id, rate }) => [
          ...perDirection(rate, { neighbour: id.split('-', 1)[0] ?? '' }),
        ]),
  );
  gauge('linepool_neighbours', 'Paired neighbours, by state of the link.', ['state'], () => {
    const up = desk.neighbours().filter((neighbour) => neighbour.up).length;
    return [
      [{ state: 'up' }, up],
      [{ state: 'down' }, desk.neighbours().length - up],
    ];
  });
  counter(
    'linepool_neighbour_refusals_total',
    'Connections to the link that were refused, by error code.',
    ['code'],
    counts((c) => labelled('code', c.neighbourRefusals)),
  );
  gauge(
    'linepool_offered_bytes_per_second',
    'Sum of the offers, received from neighbours or given to them.',
    ['direction'],
    () =>
      (['received', 'given'] as const).map((direction) => [
        { direction },
        desk
          .offers()
          .filter((offer) => offer.direction === direction)
          .reduce((sum, offer) => sum + offer.bytesPerSecond, 0),
      ]),
  );
  counter(
    'linepool_warnings_total',
    'Warnings, by error code.',
    ['code'],
    counts((c) => labelled('code', c.warnings)),
  );

  gauge('process_start_time_seconds', 'Start, in seconds since 1970.', [], () =>
    one(desk.status().startedAt / 1000),
  );
  gauge('process_resident_memory_bytes', 'Resident memory.', [], () => one(process.memoryUsage.rss()));
  gauge('nodejs_heap_used_bytes', 'JavaScript heap in use.', [], () => one(process.memoryUsage().heapUsed));
  gauge('nodejs_external_memory_bytes', 'Memory of buffers outside the heap.', [], () =>
    one(process.memoryUsage().external),
  );
  counter('process_cpu_seconds_total', 'Processor time, user and system.', [], () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  gauge('process_open_fds', 'Open file descriptors.', [], () => {
    const open = openFileDescriptors();
    return open === undefined ? [] : one(open);
  });
  return registry;
}

function openFileDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    // Only Linux has it; elsewhere the metric is left out.
    return undefined;
  }
}
