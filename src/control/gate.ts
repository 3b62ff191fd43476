/**
 * The gate before the gateway: CONNECT and absolute-form requests on the control server, by which `linepool get`
 * uses the daemon's paths. Checks the token (in Proxy-Authorization, RFC 9110 section 11.7.2) and the form of the
 * request, then hands it on whole. Nothing passes here without the token: this is an open relay otherwise.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { parseAuthority, parseTarget } from '../core/target.ts';
import type { PathId } from '../paths/path.ts';
import { bears, isLoopbackAddress } from './access.ts';
import { type Gateway, PATH_HEADER } from './desk.ts';
import { endWithProblem, sendProblem } from './problem.ts';

interface GateOptions {
  readonly token: string;
  readonly gateway: Gateway;
}

const CHALLENGE = 'Bearer realm="linepool"';

/** "own", or an id: what else stands in the header is for the gateway to refuse. */
const PATH_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Answers refusals on the socket itself; a CONNECT has no response object. */
export function serveGatewayConnect(
  { token, gateway }: GateOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  // From here on nobody else listens for errors of this socket, and an unheard one ends the process.
  socket.on('error', () => socket.destroy());
  try {
    checkSender(request, token);
    gateway.connect(pathOf(request), parseAuthority(request.url ?? ''), request, socket, head);
  } catch (thrown) {
    const { code } = asLinepoolError(thrown);
    if (code === 'token_refused') endWithProblem(socket, thrown, 407, [`proxy-authenticate: ${CHALLENGE}`]);
    else endWithProblem(socket, thrown);
  }
}

/** The same for `GET http://…`: only http, only GET. */
export function serveGatewayFetch(
  { token, gateway }: GateOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  try {
    checkSender(request, token);
    const target = parseTarget(request.url ?? '');
    if (target.origin.scheme !== 'http') {
      throw new LinepoolError('bad_target', 'https goes by CONNECT, so that TLS stays end to end');
    }
    if (request.method !== 'GET') {
      response.setHeader('allow', 'GET');
      throw new LinepoolError('method_not_allowed', `(${request.method})`);
    }
    gateway.fetch(pathOf(request), target, request, response);
  } catch (thrown) {
    const refused = asLinepoolError(thrown).code === 'token_refused';
    if (refused) response.setHeader('proxy-authenticate', CHALLENGE);
    sendProblem(request, response, thrown, refused ? 407 : undefined);
  }
}

function checkSender(request: IncomingMessage, token: string): void {
  if (!isLoopbackAddress(request.socket.remoteAddress)) throw new LinepoolError('client_refused');
  if (!bears(request.headers['proxy-authorization'], token)) throw new LinepoolError('token_refused');
}

function pathOf(request: IncomingMessage): PathId {
  const path = request.headers[PATH_HEADER];
  if (typeof path === 'string' && PATH_ID.test(path)) return path;
  throw new LinepoolError('bad_request', `${PATH_HEADER} must be "own" or the id of a neighbour`);
}
