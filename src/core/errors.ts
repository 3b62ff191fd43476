/**
 * Errors: one type and one closed table. Whatever can go wrong has a code here, with the HTTP status that a
 * client gets, the exit code of the command line, its Proxy-Status type (RFC 9209) and what a person can do.
 * Code recognises an error by `code`, never by its message. docs/errors.md is proved equal to this table by a test.
 */

interface ErrorKind {
  /** Answer to an HTTP client, when there is still one to answer. */
  readonly status: number;
  /** Of the command line. 2 usage, 3 network, 4 origin's refusal, 5 integrity, 6 files, 7 daemon, 8 neighbours. */
  readonly exit: number;
  /** RFC 9209 section 2.3, or null where the error is not about an intermediary. */
  readonly proxyStatus: string | null;
  readonly says: string;
  readonly advice: string;
}

const kind = (
  status: number,
  exit: number,
  proxyStatus: string | null,
  says: string,
  advice: string,
): ErrorKind => ({ status, exit, proxyStatus, says, advice });

// biome-ignore format: a table is read by its rows
export const ERRORS = {
  // What a client sent
  bad_request: kind(400, 2, 'http_request_error', 'The request is not valid HTTP/1.1.', 'Correct the client that sent it.'),
  bad_target: kind(400, 2, 'http_request_error', 'The address in the request can not be used.', 'Give an absolute http or https address, without user name or password.'),
  headers_too_large: kind(431, 2, 'http_request_error', 'The request headers are too large.', 'Clear the cookies of that site, or raise proxy.max_header_bytes.'),
  request_timeout: kind(408, 3, 'http_request_error', 'The request did not arrive in time.', 'Try again; raise proxy.header_timeout on a very slow link.'),
  client_refused: kind(403, 2, 'http_request_denied', 'This proxy serves its own household only.', 'Use it from an address in proxy.clients; a network of link.listen must be named there by itself.'),
  destination_refused: kind(403, 2, 'destination_ip_prohibited', 'This address may not be reached through the proxy.', 'Ask for another address.'),
  loop: kind(508, 3, 'proxy_loop_detected', 'The request came back to this proxy.', 'Take this proxy out of its own upstream path.'),
  overloaded: kind(503, 3, 'connection_limit_reached', 'Too much is going on at once.', 'Try again in a moment.'),

  // The way to an origin
  dns_failed: kind(502, 3, 'dns_error', 'The name of the server could not be resolved.', 'Check the spelling and the name server.'),
  dns_timeout: kind(504, 3, 'dns_timeout', 'The name server did not answer in time.', 'Check the line and the name server.'),
  connect_refused: kind(502, 3, 'connection_refused', 'The server refused the connection.', 'Check address and port; the server may be down.'),
  connect_unreachable: kind(502, 3, 'destination_ip_unroutable', 'There is no route to the server.', 'Check that the line is up.'),
  connect_timeout: kind(504, 3, 'connection_timeout', 'The server did not accept the connection in time.', 'Try again later.'),
  tls_failed: kind(502, 3, 'tls_protocol_error', 'The TLS handshake with the server failed.', 'The server may not speak TLS on that port.'),
  tls_certificate: kind(502, 3, 'tls_certificate_error', 'The certificate of the server is not valid for it.', 'Check the address and the clock of this machine.'),

  // What an origin sent
  bad_response: kind(502, 3, 'http_protocol_error', 'The server sent a response that is not valid HTTP.', 'The server needs mending.'),
  response_incomplete: kind(502, 3, 'http_response_incomplete', 'The response broke off before its end.', 'Try again; a download can be resumed.'),
  response_timeout: kind(504, 3, 'http_response_timeout', 'The server did not answer in time.', 'Try again later.'),
  connection_lost: kind(502, 3, 'connection_terminated', 'The server closed the connection without an answer.', 'Try again.'),
  upgrade_failed: kind(502, 3, 'http_upgrade_failed', 'The server did not switch protocols as asked.', 'Check that the server supports it.'),
  origin_refused: kind(502, 4, null, 'The server answered with an error.', 'See the status it sent.'),

  // A span that a path brought
  span_status: kind(502, 3, null, 'A request for a part of the file was not answered with that part.', 'The file is fetched over the own line alone.'),
  origin_busy: kind(503, 4, null, 'The server asks for fewer requests.', 'It is left alone for as long as it asks; `linepool origins` shows until when.'),
  parallel_refused: kind(502, 4, null, 'The server breaks off connections beside the first.', 'The file is fetched over the own line alone.'),
  span_range: kind(502, 3, null, 'The part that came is not the part that was asked for.', 'The path is left out for this server.'),
  span_validator: kind(502, 5, null, 'The part that came belongs to another version of the file.', 'Start the download again.'),
  span_coding: kind(502, 3, null, 'The part that came is coded or transformed.', 'The path is left out for this server.'),
  span_length: kind(502, 3, null, 'The part that came is shorter or longer than it says.', 'The rest is asked for again.'),
  span_stalled: kind(504, 3, null, 'A path stopped delivering.', 'The rest is asked for over other paths.'),
  no_path: kind(502, 3, 'destination_unavailable', 'No path is left that can bring the rest of the file.', 'Try again; a download can be resumed.'),
  origin_changed: kind(502, 5, null, 'The file changed on the server while it was being downloaded.', 'Start the download again.'),
  checksum_mismatch: kind(502, 5, null, 'The file does not have the checksum that was given.', 'Compare the checksum with its source, then download again.'),
  span_altered: kind(502, 5, null, 'A neighbour brought other bytes than the server has.', 'It is quarantined, see `linepool neighbours`; download again.'),
  span_unsigned: kind(502, 5, null, 'A neighbour did not sign what it brought, or not truly.', 'It is left out for this server; both households should run the same version of linepool.'),
  span_unchecked: kind(502, 5, null, 'What neighbours brought could not be compared with what the server has.', 'Try again; the own line must reach the server.'),
  digest_mismatch: kind(502, 5, null, 'The file does not have the digest that the server gave for it.', 'Download again: the neighbours that took part are left out.'),

  // Neighbours
  not_paired: kind(403, 8, 'http_request_denied', 'That household is not a neighbour of this one.', 'Pair with `linepool invite` there and `linepool join` here.'),
  identity_mismatch: kind(403, 8, null, 'The other side is not the household that it should be.', 'Ask the neighbour for a new invitation; check the address.'),
  invitation_invalid: kind(400, 8, null, 'That is not a valid invitation.', 'Copy it whole, from `LP1` to its end.'),
  invitation_refused: kind(403, 8, null, 'The invitation is expired, used up or withdrawn.', 'Ask the neighbour for a new one.'),
  pairing_closed: kind(403, 8, null, 'That household does not wish to be found now.', 'Let its people run `linepool visible`, or ask them for an invitation.'),
  pairing_busy: kind(409, 8, null, 'Another pairing is under way.', 'See `linepool pair`; `linepool pair reject` ends it.'),
  pairing_rejected: kind(403, 8, null, 'The pairing was not confirmed.', 'Compare the numbers again. If they differ, somebody is between you: use an invitation.'),
  pairing_limited: kind(429, 8, null, 'Too many failed tries to pair.', 'Wait a minute, then try again.'),
  rotation_limited: kind(429, 8, null, 'That household has changed its key too often.', 'Wait a day, or part and pair again.'),
  neighbour_unknown: kind(404, 8, null, 'There is no neighbour of that name or id.', 'See `linepool neighbours`.'),
  neighbour_unreachable: kind(502, 8, null, 'The neighbour did not answer.', 'Check that its daemon runs and that the link is up.'),
  message_invalid: kind(400, 8, null, 'A message between households is not as it should be.', 'Both households should run the same version of linepool.'),
  protocol_mismatch: kind(400, 8, null, 'The neighbour speaks another version of the protocol.', 'Update linepool in both households.'),
  http_not_let: kind(403, 8, null, 'That neighbour may carry nothing of http for us.', 'Let it with `linepool trust NAME checked`; https needs nothing.'),
  neighbour_refused: kind(502, 8, null, 'The neighbour refused what was asked of it.', 'See the reason that it gave.'),
  neighbour_blocked: kind(403, 8, null, 'That household is blocked here.', 'See `linepool neighbours`; `linepool unblock` lets it pair again.'),
  neighbour_name_taken: kind(409, 8, null, 'Another neighbour has that name already.', 'Choose another with --name.'),

  // Lending
  lease_missing: kind(403, 8, 'http_request_denied', 'The request carries no lease.', 'Send a lease with the request.'),
  lease_invalid: kind(403, 8, 'http_request_denied', 'The lease is not valid for this request.', 'Sign a new lease for this lender and server.'),
  lease_expired: kind(403, 8, 'http_request_denied', 'The lease has expired.', 'Sign a new lease; check the clocks of both households.'),
  lease_exhausted: kind(403, 8, 'http_request_denied', 'The lease has no bytes left.', 'Sign a new lease.'),
  receipt_invalid: kind(403, 8, 'http_request_denied', 'The receipt is not valid for this lease.', 'Both households should run the same version of linepool.'),
  receipt_missing: kind(403, 8, 'http_request_denied', 'The borrower does not sign for what it is carried.', 'Nothing more is carried for it for a while; both households should run the same version of linepool.'),
  receipt_unanswered: kind(502, 8, null, 'The lender does not sign for what it carries.', 'Its line is left alone for a while; both households should run the same version of linepool.'),
  receipt_disputed: kind(409, 8, null, 'Borrower and lender have counted differently.', 'The lease is ended; the ledgers of both say what was signed last.'),
  ledger_failed: kind(503, 6, 'http_request_denied', 'The ledger takes no entries at the moment.', 'Check the space on the disk and the rights of the state folder; nothing is lent that is not recorded.'),
  ledger_damaged: kind(500, 6, null, 'The ledger can not be gone on with.', 'It was set aside and a new one begun; restore the old one from a backup if it is needed as proof.'),
  ledger_wrong: kind(409, 5, null, 'The ledger does not hold.', 'See the first entry that is wrong, and why.'),
  ledger_unreadable: kind(400, 6, null, 'That can not be read as a ledger.', 'Give the file of a ledger, or an export of one.'),
  lending_off: kind(503, 8, 'http_request_denied', 'This household lends nothing at the moment.', 'Wait for its next offer.'),
  cut_off: kind(503, 8, 'http_request_denied', 'The lender has cut this household off for a while.', 'Wait for its next offer; do not ask on after a refusal.'),
  address_refused: kind(403, 8, 'destination_ip_prohibited', 'That address may not be reached over a lent line.', 'Only public addresses are carried, and names that lead to one.'),
  port_refused: kind(403, 8, 'http_request_denied', 'That port may not be reached over a lent line.', 'Only the ports in lend.ports are carried.'),
  host_refused: kind(403, 8, 'destination_ip_prohibited', 'The lender does not carry anything to that server.', 'It is fetched over the other lines.'),
  method_refused: kind(405, 8, 'http_request_denied', 'Only GET with one byte range, and CONNECT, are carried.', 'Send nothing else.'),
  credentials_refused: kind(403, 8, 'http_request_denied', 'A request that carries credentials is not fetched over a lent line.', 'Send it over the own line.'),

  // Files, configuration, the command line and the daemon
  usage: kind(400, 2, null, 'The command was not understood.', 'See --help.'),
  config_invalid: kind(400, 2, null, 'The configuration can not be used.', 'Correct the key that is named; `linepool config example` shows them all.'),
  policy_invalid: kind(400, 2, null, 'The lending policy can not be so.', 'Correct the value that is named; the policy stays as it was.'),
  own_address_unknown: kind(500, 7, null, 'How the Internet sees this home is not known, since its router translates addresses.', 'Name that address in lend.own_addresses: borrowers could reach what the router shows at it.'),
  line_unmeasured: kind(500, 7, null, 'What the line carries can not be measured.', 'Less is lent until it can; set line.interface if the wrong interface is watched.'),
  clock_stepped: kind(500, 7, null, 'The clock of this machine was stepped.', 'For a minute the strictest of lend.hours holds; keep the clock set by NTP.'),
  state_unusable: kind(500, 6, null, 'The state folder can not be used.', 'Check its owner, its rights and the space on the disk.'),
  file_exists: kind(409, 6, null, 'The file exists already.', 'Choose another with -o, or resume with -C.'),
  file_busy: kind(409, 6, null, 'Another download is writing that file.', 'Wait for its end, or choose another name with -o.'),
  file_failed: kind(507, 6, null, 'The file could not be written.', 'Check the folder, its rights and the space on the disk.'),
  resume_mismatch: kind(409, 5, null, 'The download can not go on from what is on disk.', 'Remove it and start again.'),
  backup_invalid: kind(422, 6, null, 'The backup can not be used.', 'Check the passphrase and the file; nothing was changed.'),
  identity_exists: kind(409, 6, null, 'There is an identity in the state folder already.', 'Give --force to put the one of the backup in its place; the present one is lost unless it has a backup too.'),
  daemon_missing: kind(503, 7, null, 'No linepool daemon answers.', 'Start it with `linepool up`.'),
  daemon_running: kind(409, 7, null, 'A daemon runs already on this state folder.', 'End it first, or give another --state.'),
  port_taken: kind(409, 7, null, 'The address to listen on is in use.', 'Choose another in the configuration.'),
  token_refused: kind(401, 7, null, 'The control token is missing or wrong.', 'Use the token in the state folder of the daemon.'),
  page_refused: kind(403, 7, null, 'Pages of other sites may not use the control API.', 'Use the command line.'),
  misdirected: kind(421, 7, null, 'The control API is not known by that host name.', 'Use localhost, 127.0.0.1 or [::1].'),
  body_too_large: kind(413, 2, null, 'The body of the request is too large.', 'See docs/control.md.'),
  not_found: kind(404, 2, null, 'There is nothing of that name.', 'See the list of what there is.'),
  method_not_allowed: kind(405, 2, null, 'That can not be done here.', 'See docs/control.md.'),
  demo_failed: kind(500, 7, null, 'The neighbourhood of the demo could not be set up.', 'See the lines of its log that follow; the loopback addresses 127.0.1.1 and up must be usable.'),
  interrupted: kind(499, 130, null, 'Interrupted.', 'Run it again; a download goes on with -C.'),
  internal: kind(500, 1, 'proxy_internal_error', 'A fault in linepool itself.', 'Report it with the log lines around it.'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** The one error type. `detail` says what it was about: a name, a number, the peer's words. */
export class LinepoolError extends Error {
  override readonly name = 'LinepoolError';
  readonly code: ErrorCode;
  readonly detail: string;

  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    super(detail === '' ? ERRORS[code].says : `${ERRORS[code].says} ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }

  /** From a code that another household or program sent, which may be one that this build does not know. */
  static named(code: string, otherwise: ErrorCode, detail = ''): LinepoolError {
    return Object.hasOwn(ERRORS, code)
      ? new LinepoolError(code as ErrorCode, detail)
      : new LinepoolError(otherwise, `(${code.slice(0, 40)})`);
  }
}

/** Codes that the operating system, TLS and undici give, as ours. */
const FOREIGN: Readonly<Record<string, ErrorCode>> = {
  ENOTFOUND: 'dns_failed',
  ENODATA: 'dns_failed',
  EAI_AGAIN: 'dns_timeout',
  EAI_FAIL: 'dns_failed',
  EAI_NODATA: 'dns_failed',
  EAI_NONAME: 'dns_failed',
  ECONNREFUSED: 'connect_refused',
  EHOSTUNREACH: 'connect_unreachable',
  ENETUNREACH: 'connect_unreachable',
  EADDRNOTAVAIL: 'connect_unreachable',
  ETIMEDOUT: 'connect_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'response_timeout',
  UND_ERR_BODY_TIMEOUT: 'response_timeout',
  UND_ERR_HEADERS_OVERFLOW: 'bad_response',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'response_incomplete',
  UND_ERR_SOCKET: 'connection_lost',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  ENOSPC: 'file_failed',
  EACCES: 'file_failed',
  EROFS: 'file_failed',
  ENOENT: 'file_failed',
  EISDIR: 'file_failed',
  EDQUOT: 'file_failed',
  EADDRINUSE: 'port_taken',
};

/** Any thrown thing as a LinepoolError; one that is unknown becomes `internal`, its cause kept. */
export function asLinepoolError(thrown: unknown): LinepoolError {
  if (thrown instanceof LinepoolError) return thrown;
  if (!(thrown instanceof Error)) return new LinepoolError('internal', String(thrown));
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return asLinepoolError(thrown.errors[0]);
  const foreign = (thrown as NodeJS.ErrnoException).code ?? '';
  const known = FOREIGN[foreign];
  if (known !== undefined) return new LinepoolError(known, `(${foreign})`, { cause: thrown });
  if (foreign.startsWith('HPE_') || thrown.name === 'HTTPParserError')
    return new LinepoolError('bad_response', `(${foreign})`, { cause: thrown });
  if (/^(ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT_ALTNAME)/.test(foreign)) {
    return new LinepoolError('tls_certificate', `(${foreign})`, { cause: thrown });
  }
  if (/^(ERR_SSL|ERR_TLS|EPROTO)/.test(foreign))
    return new LinepoolError('tls_failed', `(${foreign})`, { cause: thrown });
  return new LinepoolError('internal', thrown.message, { cause: thrown });
}
