/**
 * Options of `linepool get`, as typed, made into what they mean. Pure: reads no file and no clock.
 */
import { LinepoolError } from '../../core/errors.ts';
import type { RawHeaders } from '../../core/http.ts';
import { parseTarget, type Target } from '../../core/target.ts';
import { type Checksum, parseChecksum } from './checksum.ts';

/** As commander gives them. */
export interface GetFlags {
  readonly output?: string;
  readonly continue?: boolean;
  readonly checksum?: string;
  readonly cacert?: string;
  readonly header?: readonly string[];
  readonly ownLine?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export interface GetOptions {
  readonly url: string;
  readonly target: Target;
  /** Undefined: the server names it. */
  readonly output: string | undefined;
  readonly resume: boolean;
  readonly checksum: Checksum | undefined;
  readonly caFile: string | undefined;
  readonly headers: RawHeaders;
  readonly ownLine: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

/** Those that the engine or the connection sets: given twice, they would contradict each other. */
const OURS: ReadonlySet<string> = new Set([
  'host',
  'range',
  'if-range',
  'accept-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

/** @throws LinepoolError `usage`, `bad_target` */
export function parseGetOptions(url: string, flags: GetFlags): GetOptions {
  const target = parseTarget(/^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`);
  if (flags.output === '-' || flags.output === '') {
    throw new LinepoolError('usage', '-o needs the name of a file: parts arrive out of order.');
  }
  return {
    url,
    target,
    output: flags.output,
    resume: flags.continue ?? false,
    checksum: flags.checksum === undefined ? undefined : parseChecksum(flags.checksum),
    caFile: flags.cacert,
    headers: (flags.header ?? []).flatMap(parseHeader),
    ownLine: flags.ownLine ?? false,
    quiet: flags.quiet ?? false,
    json: flags.json ?? false,
  };
}

function parseHeader(text: string): [string, string] {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(text);
  const [, name, value] = match ?? [];
  if (name === undefined || value === undefined) {
    throw new LinepoolError('usage', `-H needs "Name: value", not ${JSON.stringify(text)}.`);
  }
  if (OURS.has(name.toLowerCase())) throw new LinepoolError('usage', `-H can not set ${name}: get sets it.`);
  return [name, value.trim()];
}
