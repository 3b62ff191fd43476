/**
 * That docs/protocol.md is true: each example is what our code sends and what it takes, and codes, paths, claims and limits are those
 * of the program. After a change of the protocol:
 *
 *     LINEPOOL_WRITE_DOCS=1 node --test test/protocol-doc.test.ts
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import { ERRORS, type ErrorCode, type LinepoolError } from '../src/core/errors.ts';
import { parseAuthority, parseTarget } from '../src/core/target.ts';
import { RECEIPT_HEADER, readReceipt, sameText } from '../src/ledger/receipt.ts';
import { LEASE_HEADER_TEXT } from '../src/ledger/terms.ts';
import { fetchWanted, originHeaders } from '../src/lending/fetch-request.ts';
import { CLOCK_SKEW_MS, LEASE_HEADER, readLease } from '../src/lending/lease.ts';
import { LONGEST_LEASE_MS } from '../src/lending/lease-book.ts';
import { borrowerPseudonym } from '../src/lending/relay.ts';
import { readSpanStatement } from '../src/lending/span-statement.ts';
import { PATHS, PROTOCOL } from '../src/neighbours/channel.ts';
import { commitmentHolds } from '../src/neighbours/comparison.ts';
import { readAnswer, SERVICE } from '../src/neighbours/dns-sd.ts';
import { parseInvitation } from '../src/neighbours/invitation.ts';
import {
  CompareAsk,
  CompareNonce,
  CompareSay,
  ConfirmRequest,
  Hello,
  PairAnswer,
  PairRequest,
  PartNotice,
  parseMessage,
  ReceiptAnswer,
  ReceiptMessage,
  RotationNotice,
} from '../src/neighbours/messages.ts';
import { OfferLines } from '../src/neighbours/offer-lines.ts';
import { publicKeyOf } from '../src/neighbours/public-key.ts';
import { readRefusal } from '../src/neighbours/refusal.ts';
import { followRotations } from '../src/neighbours/rotation.ts';
import { clientLane } from '../src/paths/client-lane.ts';
import { RangeFetch, SIGN_HEADER, SIGN_SPAN } from '../src/paths/range-fetch.ts';
import {
  ADDRESS,
  ANNOUNCED,
  ATTIC,
  BARN,
  BARN_LATER,
  BODY,
  COMPARED,
  HTTP_LEASE,
  HTTP_ORIGIN,
  HTTPS_LEASE,
  HTTPS_ORIGIN,
  INVITATION,
  MESSAGES_AT,
  makeExamples,
  NOW,
  RECEIPT,
  SPAN,
  STATEMENT,
  TOTAL,
  VALIDATOR,
} from './protocol-examples.ts';
import { PROTOCOL_LIMITS, PROTOCOL_SENTENCES } from './protocol-limits.ts';

const SOURCES = join(import.meta.dirname, '../src');
const FILE = join(import.meta.dirname, '../docs/protocol.md');
const FENCED = /^```(\w+) ([\w-]+)\n((?:(?!```).*\n)*)```$/gm;
const made = await makeExamples();
if (process.env['LINEPOOL_WRITE_DOCS'] === '1') {
  const before = readFileSync(FILE, 'utf8');
  writeFileSync(
    FILE,
    before.replace(
      FENCED,
      (_all, kind: string, name: string) => `\`\`\`${kind} ${name}\n${made.get(name)}\n\`\`\``,
    ),
  );
}
const document = readFileSync(FILE, 'utf8');

/** What stands in the document. */
const shown = new Map(
  [...document.matchAll(FENCED)].map(([, , name = '', text = '']) => [name, text.replace(/\n$/, '')]),
);
const example = (name: string): string => shown.get(name) ?? assert.fail(`no example ${name}`);

/** Rows of the table under that heading line, cells trimmed. */
function rowsUnder(heading: string): string[][] {
  const [, after = ''] = document.split(`\n${heading}\n|---`);
  const [, body = ''] = /^[^\n]*\n((?:\|[^\n]*\n)*)/.exec(after) ?? [];
  return body
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| |^\||\|$/g, '').trim()));
}

const inTicks = (cell = ''): string => /^`([^`]*)`/.exec(cell)?.[1] ?? '';

interface Head {
  readonly first: string;
  readonly headers: readonly string[];
  readonly body: string;
}

function headOf(name: string): Head {
  const [head = '', body = ''] = example(name).split('\n\n');
  const [first = '', ...fields] = head.split('\n');
  return { first, headers: fields.flatMap((field) => field.split(/: (.*)/, 2)), body };
}

const fieldOf = ({ headers }: Head, name: string): string =>
  headers[headers.findIndex((one) => one.toLowerCase() === name) + 1] ?? '';

test('every example is the one that our code makes, to the letter, and none stands there that is not compared', () => {
  assert.deepEqual([...shown.keys()].sort(), [...made.keys()].sort());
  for (const [name, text] of made) assert.equal(example(name), text, name);
  const fences = document.match(/^```.+$/gm) ?? [];
  assert.equal(fences.length, shown.size, 'a block without a name is checked by nobody');
});

test('the households have the keys of RFC 8032, and an id can be made by what the document says alone', () => {
  const rows = rowsUnder('| household | private key (seed) | public key (SPKI) | id |');
  assert.deepEqual(
    rows,
    [ATTIC, BARN, BARN_LATER].map(({ name, seed, publicKey, id }) => [
      name,
      `\`${seed}\``,
      `\`${publicKey}\``,
      `\`${id}\``,
    ]),
  );
  assert.equal(
    Buffer.from(ATTIC.publicKey, 'base64url').subarray(12).toString('hex'),
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  );
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  for (const { publicKey, id } of [ATTIC, BARN, BARN_LATER]) {
    const hash = createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest();
    const bits = `${[...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('')}0000`;
    const plain = (bits.match(/.{5}/g) ?? []).map((five) => alphabet.charAt(Number.parseInt(five, 2)));
    const checked = [0, 1, 2, 3].flatMap((piece) => {
      const thirteen = plain.slice(piece * 13, piece * 13 + 13);
      const sum = thirteen.reduce((so, character, place) => {
        const value = alphabet.indexOf(character) * (place % 2 === 0 ? 2 : 1);
        return so + (value >= 32 ? value - 31 : value);
      }, 0);
      return [...thirteen, alphabet.charAt((32 - (sum % 32)) % 32)];
    });
    assert.equal((checked.join('').match(/.{7}/g) ?? []).join('-'), id);
  }
});

test('every path stands in the table, and its messages are ones that we take whole', () => {
  const paths = rowsUnder('| request | from | body | answer |').flatMap(([request = '']) =>
    [...request.matchAll(/`(?:GET|POST) (\/[^`]+)`/g)].map(([, path = '']) => path),
  );
  assert.deepEqual(paths.sort(), Object.values(PATHS).sort());
  assert.deepEqual(Object.keys(MESSAGES_AT).sort(), Object.values(PATHS).sort());
  const schemas = {
    hello: Hello,
    'pair-request': PairRequest,
    'pair-answer': PairAnswer,
    'confirm-request': ConfirmRequest,
    'compare-request': CompareAsk,
    'compare-answer': CompareNonce,
    'reveal-request': CompareNonce,
    'say-wait': CompareSay,
    'say-agree': CompareSay,
    'rotation-notice': RotationNotice,
    'part-notice': PartNotice,
    'receipt-request': ReceiptMessage,
    'receipt-answer': ReceiptAnswer,
  } as const;
  for (const names of Object.values(MESSAGES_AT)) {
    for (const name of names) assert.ok(name === 'offers' || Object.hasOwn(schemas, name), name);
  }
  for (const [name, schema] of Object.entries(schemas)) {
    const text = example(name);
    assert.deepEqual(parseMessage(schema, text), JSON.parse(text), name);
    const more = JSON.stringify({ ...(JSON.parse(text) as object), later: 1 });
    assert.deepEqual(parseMessage(schema, more), JSON.parse(text), `${name}: unknown members are ignored`);
  }
  assert.match(document, new RegExp(`\\| \`protocol\` \\| of this page: ${PROTOCOL} \\|`));
});

test('the invitation, the commitment and the announcement are read', () => {
  assert.deepEqual(parseInvitation(example('invitation').toLowerCase()), INVITATION);
  assert.deepEqual(INVITATION.addresses, [ADDRESS]);
  const { commitment } = parseMessage(CompareAsk, example('compare-request'));
  const { nonce } = parseMessage(CompareNonce, example('reveal-request'));
  assert.ok(commitmentHolds(commitment, Buffer.from(nonce, 'base64url'), COMPARED));
  const records = example('announcement')
    .split('\n')
    .map((line) => {
      const [name = '', ttl, , type, ...data] = line.replaceAll(/\.(?= |$)/g, '').split(' ');
      const srv = { port: Number(data[2]), target: data[3] ?? '' };
      const said = type === 'SRV' ? srv : type === 'TXT' ? [data.join(' ').replaceAll('"', '')] : data[0];
      return { name, ttl: Number(ttl), type, data: said };
    });
  assert.equal(records[0]?.name, SERVICE);
  assert.deepEqual(readAnswer(records as never), { announced: [ANNOUNCED], gone: [] });
});

test('the statement of rotation is followed from the old key to the new one', async () => {
  const { statements } = parseMessage(RotationNotice, example('rotation-notice'));
  const keyOf = (id: string) => (id === BARN.id ? BARN.key : undefined);
  const followed = await followRotations(statements, keyOf, publicKeyOf);
  assert.deepEqual(followed, {
    id: BARN.id,
    keys: [{ id: BARN_LATER.id, publicKey: BARN_LATER.publicKey }],
  });
});

test('the offers are read', () => {
  const lines = example('offers').split('\n');
  const read = new OfferLines().read(Buffer.from(`${lines.join('\n')}\n{"kind":"later"}\n`), 0);
  assert.deepEqual(
    read.map(({ kind }) => kind),
    ['hello', 'offer', 'offer', 'other'],
  );
  for (const [at, message] of read.entries()) {
    const line = JSON.parse(lines[at] ?? '{}') as object;
    if (message.kind === 'hello') assert.deepEqual({ kind: 'hello', ...message.hello }, line);
    if (message.kind === 'offer') assert.deepEqual(message.offer, line);
  }
});

const lenderExpects = { publicKey: ATTIC.key, borrower: ATTIC.id, lender: BARN.id, nowWall: NOW };
const limits = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  maxTime: LONGEST_LEASE_MS,
  clockSkew: CLOCK_SKEW_MS,
} as const;

test('the requests of a tunnel and a fetch are ones that we carry, under leases that hold', async () => {
  const connect = headOf('connect-request');
  const [method, authority = ''] = connect.first.split(' ');
  assert.equal(method, 'CONNECT');
  assert.deepEqual({ scheme: 'https', ...parseAuthority(authority) }, HTTPS_ORIGIN);
  const fetch = headOf('fetch-request');
  const [verb = '', url = ''] = fetch.first.split(' ');
  assert.deepEqual(fetchWanted(verb, url, fetch.headers), { target: parseTarget(url), span: SPAN });
  assert.deepEqual(parseTarget(url).origin, HTTP_ORIGIN);
  assert.equal(fieldOf(fetch, SIGN_HEADER), SIGN_SPAN);
  for (const [head, lease] of [
    [connect, HTTPS_LEASE],
    [fetch, HTTP_LEASE],
  ] as const) {
    const { origin } = lease;
    const token = fieldOf(head, LEASE_HEADER);
    assert.deepEqual(await readLease(token, { ...lenderExpects, limits, origin }), lease);
    const [, payload = ''] = token.split('.');
    assert.ok(origin !== HTTP_LEASE.origin || fromBase64(payload) === example('lease-payload'));
  }
  const { first, headers } = headOf('origin-request');
  const { target } = fetchWanted(verb, url, fetch.headers);
  assert.equal(first, `GET ${target.path} HTTP/1.1`);
  assert.deepEqual(headers.slice(2), originHeaders(SPAN, borrowerPseudonym(BARN.id, ATTIC.id)));
});

const fromBase64 = (text: string): string => Buffer.from(text, 'base64url').toString('utf8');

/** What a borrower makes of an answer to its fetch, byte by byte as it stands in the document. */
async function fetched(
  name: string,
): Promise<{ readonly body: string; readonly signature?: string; readonly error?: LinepoolError }> {
  const text = `${example(name).replaceAll('\n', '\r\n')}${name === 'fetch-answer' ? '\r\n\r\n' : '\r\n'}`;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(text));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const lane = clientLane((options) => new Client(`http://127.0.0.1:${port}`, options), {
    responseTimeout: 5_000,
  });
  let body = '';
  const { promise, resolve } = Promise.withResolvers<{ signature?: string; error?: LinepoolError }>();
  const wanted = {
    path: '/image.iso',
    headers: [],
    span: SPAN,
    total: TOTAL,
    validator: VALIDATOR,
    signed: true,
  };
  new RangeFetch(
    wanted,
    {
      proven: () => undefined,
      data: (_offset, chunk) => {
        body += chunk.toString('latin1');
      },
      ended: (signature) => resolve(signature === undefined ? {} : { signature }),
      failed: (error) => resolve({ error }),
    },
    systemClock,
  ).send(lane);
  const end = await promise;
  lane.destroy(new Error('done'));
  server.close();
  return { body, ...end };
}

test('the answer to a fetch is taken, and what the lender signed is what came', async () => {
  const { body, signature = '', error } = await fetched('fetch-answer');
  assert.equal(error, undefined);
  assert.equal(body, BODY);
  const said = readSpanStatement(signature, { id: BARN.id, publicKey: BARN.key });
  assert.deepEqual(said, STATEMENT);
  assert.equal(said.sha256, createHash('sha256').update(body).digest('base64url'));
  assert.equal(fromBase64(signature.split('.')[1] ?? ''), example('span-payload'));
});

test('refusals are understood', async () => {
  const { error } = await fetched('fetch-refusal');
  assert.equal(error?.code, 'lending_off');
  for (const [name, code] of [
    ['refusal', 'port_refused'],
    ['fetch-refusal', 'lending_off'],
  ] as const) {
    const head = headOf(name);
    const status = Number(head.first.split(' ')[1]);
    assert.equal(status, ERRORS[code].status);
    assert.equal(readRefusal(status, head.body).code, code);
    assert.equal(Number(fieldOf(head, 'content-length')), Buffer.byteLength(`${head.body}\n`), name);
  }
});

test('a receipt holds on both sides, under one text', () => {
  const { receipt: ours } = parseMessage(ReceiptMessage, example('receipt-request'));
  const { receipt: theirs } = parseMessage(ReceiptAnswer, example('receipt-answer'));
  assert.deepEqual(readReceipt(ours, ATTIC.key), RECEIPT);
  assert.deepEqual(readReceipt(theirs, BARN.key), RECEIPT);
  assert.ok(sameText(ours, theirs));
  assert.equal(fromBase64(ours.split('.')[1] ?? ''), example('receipt-payload'));
});

test('claims and headers of tokens are those of the program, in order', () => {
  const tables = [...document.matchAll(/\| claim \| \|\n\|---\|---\|\n((?:\|.*\n)+)\n/g)].map(
    ([, body = '']) => [...body.matchAll(/^\| `(\w+)`/gm)].map(([, claim]) => claim),
  );
  const payloads = ['rotation-payload', 'lease-payload', 'span-payload', 'receipt-payload'];
  assert.deepEqual(
    tables,
    payloads.map((name) => Object.keys(JSON.parse(example(name)) as object)),
  );
  for (const header of [LEASE_HEADER_TEXT, RECEIPT_HEADER]) assert.ok(document.includes(header), header);
  const { statements } = parseMessage(RotationNotice, example('rotation-notice'));
  const span = /^Linepool-Span: (.*)$/m.exec(example('fetch-answer'))?.[1] ?? '';
  for (const token of [statements[0] ?? '', span])
    assert.ok(document.includes(`\`${fromBase64(token.split('.')[0] ?? '')}\``), token);
});

/** What answers over the link. */
const ANSWERING = [
  'neighbours/{link-server,link-http,pairing-desk,comparison-desk,rotation-desk,book,messages}',
  'lending/{lender,borrower,relay,relay-fetch,relay-tunnel,fetch-exchange,fetch-request,lease,lease-book,lease-account}',
  'lending/{receipt-desk,lease-receipts}',
  'ledger/receipt',
  'core/target',
].flatMap((group) => {
  const [, room = '', names = ''] = /^(\w+)\/\{?([^}]*)\}?$/.exec(group) ?? [];
  return names.split(',').map((name) => `${room}/${name}.ts`);
});

/** Named in these files, but told to nobody over the link: why. */
const NOT_SENT: Readonly<Record<string, string>> = {
  config_invalid: 'said at the start',
  neighbour_unknown: 'said to our own person',
  interrupted: 'nobody is there any more',
  response_incomplete: 'the connection says it',
};

test('the table of codes has every code that goes over the link, with its status', () => {
  const rows = rowsUnder('| code | status | when |');
  const told = new Map(rows.map(([code, status]) => [inTicks(code), Number(status)]));
  assert.equal(told.size, rows.length, 'no code stands twice');
  for (const [code, status] of told) {
    assert.ok(Object.hasOwn(ERRORS, code), code);
    assert.equal(status, ERRORS[code as ErrorCode].status, code);
  }
  const named = ANSWERING.flatMap((file) => {
    const source = readFileSync(join(SOURCES, file), 'utf8');
    return [...source.matchAll(/LinepoolError\(\s*'(\w+)'/g)].map(([, code = '']) => code);
  });
  assert.ok(named.length > 50, 'the sources are read');
  for (const code of named) assert.ok(told.has(code) || Object.hasOwn(NOT_SENT, code), code);
  for (const code of Object.keys(NOT_SENT)) assert.ok(named.includes(code) && !told.has(code), code);
});

test('the table of limits has every limit as the program has it, and no other', () => {
  const rows = rowsUnder('| what | bound | at it |').map(([what = '', bound = '']) => [what, bound]);
  assert.deepEqual(rows, PROTOCOL_LIMITS);
  const prose = document.replaceAll(/\s+/g, ' ');
  for (const sentence of PROTOCOL_SENTENCES) assert.ok(prose.includes(sentence), sentence);
});
