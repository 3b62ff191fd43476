/**
 * Configuration: one schema; every key has a unit, a default and a sentence. `linepool config example` prints it.
 * Only daemon.ts and the command line read it: rooms are handed what they need.
 */
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import {
  addressOrNetwork,
  authority,
  deniedHosts,
  hours,
  isProbe,
  key,
  listenAddress,
  network,
  optionalKey,
  PROBE_SAYS,
  percent,
  poolWindow,
  port,
  rate,
  size,
  time,
  weight,
} from './config-values.ts';
import { LinepoolError } from './core/errors.ts';
import { HOURS_EXAMPLE } from './core/hours.ts';
import { PRIVATE_NETWORKS } from './core/private-networks.ts';
import { TRUST_LEVELS } from './core/trust.ts';

/** Longer than any lease lives: none is removed that may still be used. */
const LEAST_KEPT = 30 * 86_400_000;
const LEAST_LEDGER = 1024 * 1024;
/** What holds for one neighbour; live settings override it key by key. */
const neighbourTerms = z.strictObject({
  allow: z.boolean().optional(),
  weight: weight.optional(),
  rate: rate.optional(),
  rate_up: rate.optional(),
  quota_day: size.optional(),
  quota_month: size.optional(),
});

const SECTIONS = {
  household: z.strictObject({
    name: optionalKey(
      z.string().min(1).max(63),
      'Third floor',
      'What neighbours see as our name. Default: the host name.',
    ),
  }),
  proxy: z.strictObject({
    listen: key(
      z.array(listenAddress).min(1, 'must hold at least one address:port').max(16),
      ['127.0.0.1:3128', '[::1]:3128'],
      "Addresses of the household's proxy. On a router add its address in the home network.",
    ),
    clients: key(
      z.array(network).max(64),
      ['127.0.0.0/8', '::1/128', ...PRIVATE_NETWORKS],
      'Who may use it. Everybody else is refused; so is who is in a network of link.listen, unless that very network is named here.',
    ),
    max_connections: key(z.int().min(1), 1024, 'Client connections at once; more are refused.'),
    max_header_bytes: key(size, '64 KiB', 'Largest request head.'),
    header_timeout: key(time, '30 s', 'How long a client may take for its request head.'),
    idle_timeout: key(time, '75 s', 'How long an idle kept-alive client connection stays open.'),
    tunnel_idle_timeout: key(
      time,
      '15 min',
      'How long a CONNECT tunnel or upgraded connection may be silent.',
    ),
  }),
  pool: z.strictObject({
    enabled: key(z.boolean(), true, 'Whether large downloads are pooled at all.'),
    scheme: key(
      z.enum(['adaptive', 'fixed', 'proportional', 'round-robin']),
      'adaptive',
      'How spans are dealt out. The others than "adaptive" are for comparison.',
    ),
    min_size: key(size, '1 MiB', 'Smaller responses are passed through.'),
    min_saving: key(time, '200 ms', 'Pool only when it is expected to save at least this.'),
    window: key(poolWindow, '16 MiB', 'Reorder memory of all downloads together, a hard cap.'),
    download_window: key(size, '8 MiB', 'Reorder memory of one download, at most.'),
    origin_connections: key(z.int().min(2).max(256), 24, 'Connections of all downloads to one server.'),
    origin_line_connections: key(z.int().min(1).max(64), 6, 'The same over one line.'),
    span_time: key(time, '200 ms', "Longest span, in time of its path's rate (adaptive)."),
    fixed_span: key(size, '1 MiB', 'Span size of the scheme "fixed".'),
    stall_timeout: key(
      time,
      '400 ms',
      'A path that is silent for this long and three round trips more loses its spans.',
    ),
  }),
  line: z.strictObject({
    down: optionalKey(
      rate,
      '50 Mbit/s',
      'What the line carries down. Default: learnt from what it did carry.',
    ),
    up: optionalKey(
      rate,
      '10 Mbit/s',
      'What the line carries up. Default: learnt, at least a tenth of what it carries down.',
    ),
    interface: key(
      z.string().min(1).max(15),
      'auto',
      'Whose counters show what the household uses: a name; "auto": that of the default route; "none": none.',
    ),
    probe: key(
      z.string().refine((text) => text === 'auto' || text === 'none' || isProbe(text), PROBE_SAYS),
      'auto',
      'Who is asked, by small UDP questions, how long the line takes; "auto": the name server; "none": nobody.',
    ),
    connect_timeout: key(time, '10 s', 'How long to wait for a connection to an origin.'),
    response_timeout: key(time, '60 s', 'How long an origin may be silent before and within a response.'),
  }),
  lend: z.strictObject({
    enabled: key(z.boolean(), true, 'Whether paired neighbours may borrow the line.'),
    share_percent: key(percent, 50, 'How much of the line is lent at most.'),
    share_percent_up: optionalKey(
      percent,
      50,
      'The same for the way up, in all hours. Default: as share_percent, or as the hours say.',
    ),
    rate: optionalKey(
      rate,
      '20 Mbit/s',
      'Ceiling of what is lent. Lent as it is while the line is not known.',
    ),
    rate_up: optionalKey(rate, '5 Mbit/s', 'The same for the way up.'),
    keep: optionalKey(rate, '5 Mbit/s', 'So much of the line is never lent.'),
    keep_up: optionalKey(rate, '1 Mbit/s', 'The same for the way up.'),
    hours: key(
      hours,
      [],
      `Parts of the day, local time, with a share of their own, such as [${HOURS_EXAMPLE}].`,
    ),
    quota_day: optionalKey(size, '20 GB', 'Carried for neighbours in a day at most; from 80 % on slower.'),
    quota_month: optionalKey(size, '200 GB', 'The same in a month.'),
    weight_min: key(weight, 0.5, 'A neighbour that lends us little weighs at least this among borrowers.'),
    weight_max: key(weight, 2, 'A neighbour that lends us much weighs at most this.'),
    ports: key(
      z.array(port).max(64),
      [80, 443],
      'Ports of origins that borrowers may reach; 80 by fetches of http only, 443 by tunnels only.',
    ),
    deny_hosts: key(
      deniedHosts,
      [],
      'Names (with all names below them), addresses and networks that borrowers may not reach.',
    ),
    own_addresses: key(
      z.array(addressOrNetwork).max(64),
      [],
      'Our own addresses as the Internet sees them, where no interface of this machine has them; borrowers may not reach them.',
    ),
    allow_networks: key(
      z.array(network).max(64),
      [],
      'Non-public networks that borrowers may reach. Leave empty; for tests only.',
    ),
    buffer: key(size, '256 KiB', 'How far the relay reads ahead for one connection.'),
    max_connections: key(z.int().min(1), 64, 'Connections of all borrowers together.'),
    lease_bytes: key(size, '4 GiB', 'Most that one lease carries; then the borrower signs another.'),
    lease_time: key(time, '1 h', 'How long one lease is good for at most.'),
    neighbours: optionalKey(
      z.record(z.string(), neighbourTerms),
      { Attic: { weight: 2, rate: '5 Mbit/s', quota_day: '5 GB' } },
      'Terms of single neighbours, by name: allow, weight, rate, rate_up, quota_day, quota_month.',
    ),
  }),
  link: z.strictObject({
    listen: key(
      z.array(listenAddress).max(16),
      [],
      'Addresses where neighbours reach us. Empty: we can join neighbours, but not be joined.',
    ),
    advertise: optionalKey(
      authority,
      '192.168.77.1:7468',
      'Address put into invitations. Default: the first of link.listen.',
    ),
    connect_timeout: key(time, '3 s', 'How long to wait for a neighbour.'),
    retry: key(time, '5 s', 'How long to wait before a neighbour is tried again.'),
  }),
  trust: z.strictObject({
    default: key(
      z.enum(TRUST_LEVELS),
      'https-only',
      'How far the line of a neighbour is used for http, where it could alter what it fetches, unless `linepool trust` says otherwise: "https-only", "checked" or "trusted".',
    ),
    check_percent: key(
      z.number().min(0, 'must be from 0 to 10').max(10, 'must be from 0 to 10'),
      0.25,
      'How much of what "checked" neighbours bring is fetched again over our own line, and compared.',
    ),
  }),
  ledger: z.strictObject({
    keep: key(
      time.refine((ms) => ms >= LEAST_KEPT, 'must be at least "30 d"'),
      '400 d',
      'How long the ledger keeps what was carried for whom; older entries are removed.',
    ),
    max_size: key(
      size.refine((bytes) => bytes >= LEAST_LEDGER, 'must be at least "1 MiB"'),
      '1 GiB',
      'What the ledger may grow to, some 4,000,000 entries; then nothing is lent that it would have to record.',
    ),
  }),
  control: z.strictObject({
    listen: key(listenAddress, '127.0.0.1:7467', 'Address of the control API; loopback only.'),
  }),
  resolve: z
    .record(
      z.string(),
      z.string().refine((text) => ipaddr.isValid(text), 'must be an IP address'),
    )
    .prefault({})
    .meta({
      says: 'Names that are not asked of the name server: name = "address".',
      example: { 'files.example': '192.0.2.7' },
    }),
  log: z.strictObject({
    level: key(
      z.enum(['error', 'warn', 'info', 'debug']),
      'info',
      'What is logged to stderr, as JSON lines.',
    ),
  }),
};

const Schema = z.strictObject({
  household: SECTIONS.household.prefault({}),
  proxy: SECTIONS.proxy.prefault({}),
  pool: SECTIONS.pool.prefault({}),
  line: SECTIONS.line.prefault({}),
  lend: SECTIONS.lend.prefault({}),
  link: SECTIONS.link.prefault({}),
  trust: SECTIONS.trust.prefault({}),
  ledger: SECTIONS.ledger.prefault({}),
  control: SECTIONS.control.prefault({}),
  resolve: SECTIONS.resolve,
  log: SECTIONS.log.prefault({}),
});

export type Config = z.output<typeof Schema>;

/**
 * Reads a TOML file; without one, every default.
 * @throws LinepoolError `config_invalid`, naming each key that is wrong, its value and what it must be
 */
export function loadConfig(file: string | undefined): Config {
  if (file === undefined) return parseConfig('', 'defaults');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new LinepoolError(
      'config_invalid',
      `${file} can not be read (${(error as NodeJS.ErrnoException).code})`,
      { cause: error },
    );
  }
  return parseConfig(text, file);
}

/** @throws LinepoolError `config_invalid` */
export function parseConfig(text: string, from: string): Config {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (error instanceof TomlError) {
      throw new LinepoolError(
        'config_invalid',
        `${from}, line ${error.line}: ${error.message.split('\n')[0]}`,
        { cause: error },
      );
    }
    throw error;
  }
  const result = Schema.safeParse(raw);
  if (!result.success) {
    throw new LinepoolError(
      'config_invalid',
      `${from}: ${result.error.issues.map((issue) => complaint(issue, raw)).join('; ')}`,
    );
  }
  const config = result.data;
  if (!['127.', '[::1]'].some((loopback) => config.control.listen.startsWith(loopback))) {
    throw new LinepoolError(
      'config_invalid',
      `${from}: control.listen = "${config.control.listen}" must be a loopback address`,
    );
  }
  if (config.lend.weight_min > config.lend.weight_max) {
    throw new LinepoolError(
      'config_invalid',
      `${from}: lend.weight_min must not be larger than lend.weight_max`,
    );
  }
  if (config.pool.download_window > config.pool.window) {
    throw new LinepoolError(
      'config_invalid',
      `${from}: pool.download_window must not be larger than pool.window`,
    );
  }
  return config;
}

function complaint(issue: z.core.$ZodIssue, raw: unknown): string {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => `${path === '' ? '' : `${path}.`}${name} is not a key`).join('; ');
  }
  const value = issue.path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step],
    raw,
  );
  return `${path} = ${JSON.stringify(value)}: ${issue.message}`;
}

function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, inner]) => `${name} = ${toml(inner)}`)
    .join(', ')} }`;
}

/** A configuration file with every key, its sentence and its default; what is off by default is commented out. */
export function exampleConfig(): string {
  const lines = [
    '# linepool configuration. Every key is optional; each shows its default, or an example behind "#".',
  ];
  for (const [section, schema] of Object.entries(SECTIONS)) {
    lines.push('', `[${section}]`);
    if (!(schema instanceof z.ZodObject)) {
      const meta = schema.meta() ?? {};
      lines.push(`# ${String(meta['says'])}`);
      for (const [name, value] of Object.entries(meta['example'] as object))
        lines.push(`# "${name}" = ${toml(value)}`);
      continue;
    }
    for (const [name, field] of Object.entries(schema.shape)) {
      const meta = (field as z.ZodType).meta() ?? {};
      lines.push(`# ${String(meta['says'])}`);
      lines.push(
        'preset' in meta ? `${name} = ${toml(meta['preset'])}` : `# ${name} = ${toml(meta['example'])}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
