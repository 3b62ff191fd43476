/**
 * Naming: what a downloaded file is called when the person did not say. Pure. The name comes from a server: it is
 * a plain name in the present folder whatever the server writes, never a path and never a hidden file.
 */
import { fieldValue, type RawHeaders } from '../../core/http.ts';
import type { Target } from '../../core/target.ts';

/** Longest name in bytes of UTF-8; 255 is what file systems take, less the endings that we put behind it. */
const NAME_BYTES_MAX = 240;
const NAMELESS = 'download';

/** From Content-Disposition (RFC 6266), else the last segment of the path; "download" when neither names one. */
export function fileNameOf(target: Target, headers: RawHeaders): string {
  return plain(dispositionName(headers) ?? '') ?? plain(pathName(target)) ?? NAMELESS;
}

function dispositionName(headers: RawHeaders): string | undefined {
  const value = fieldValue(headers, 'content-disposition');
  if (value === undefined) return undefined;
  // RFC 6266 section 4.3: the extended form wins.
  const extended = /;\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s"]+)/i.exec(value);
  if (extended !== null) {
    const name = unescaped(extended[2] ?? '', extended[1]?.toLowerCase() === 'utf-8' ? 'utf8' : 'latin1');
    if (name !== undefined) return name;
  }
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(value);
  // Not only `\"` is found in the wild but also Windows paths, so other backslashes stay and cut the path off.
  if (quoted !== null) return asText((quoted[1] ?? '').replace(/\\(["\\])/g, '$1'));
  const token = /;\s*filename\s*=\s*([^;\s"]+)/i.exec(value);
  return token === null ? undefined : asText(token[1] ?? '');
}

function pathName(target: Target): string {
  const path = target.path.replace(/[?#].*$/s, '');
  const segment = path.slice(path.lastIndexOf('/') + 1);
  return unescaped(segment, 'utf8') ?? segment;
}

/** Percent-decoded; undefined when that does not give text. */
function unescaped(text: string, charset: 'utf8' | 'latin1'): string | undefined {
  const bytes = Buffer.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  const decoded = bytes.toString(charset);
  return decoded.includes('\ufffd') ? undefined : decoded;
}

/** Headers come as latin1; most servers mean UTF-8. */
function asText(latin1: string): string {
  const utf8 = Buffer.from(latin1, 'latin1').toString('utf8');
  return utf8.includes('\ufffd') ? latin1 : utf8;
}

/** The last part, without what can't be seen, leading dots and excess length; undefined when nothing is left. */
function plain(name: string): string | undefined {
  const last = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  let clean = last
    .replace(/\p{C}/gu, '')
    .trim()
    .replace(/^[.~-]+/, '');
  // A character that is cut in two at the end shows as U+FFFD, and goes.
  clean = Buffer.from(clean)
    .subarray(0, NAME_BYTES_MAX)
    .toString('utf8')
    .replace(/\ufffd$/, '');
  return clean === '' ? undefined : clean;
}
