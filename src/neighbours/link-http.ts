/**
 * The link's own small HTTP: reading a message, answering with one, and what comes of bytes that are not HTTP.
 * Used by the link server alone; what neighbours fetch never passes through here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { MESSAGE_MAX_BYTES } from './messages.ts';
import { refuse, refuseConnect } from './refusal.ts';

/**
 * To be called when the HTTP server has the connection. It feeds its parser from TLS itself, and stops the parser while answers wait
 * for their reader; but of several TLS records that came at once, TLS hands on the next all the same, and the parser takes that for
 * bytes that are no HTTP (`HPE_PAUSED`). As a stream, what comes meanwhile waits.
 */
export function readAsStream(socket: Duplex): void {
  const nothing = (): void => undefined;
  // Whoever listens for data makes the server read the connection as a stream for good.
  socket.on('data', nothing);
  socket.off('data', nothing);
}

/** Runs what answers a request; a failure becomes the answer, when there is none yet. */
export async function answering(response: ServerResponse, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    refuse(response, asLinepoolError(error));
  }
}

/** Answers 200 with a message. */
export function sendJson(response: ServerResponse, message: object): void {
  const body = JSON.stringify(message);
  response.writeHead(200, [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(Buffer.byteLength(body)),
  ]);
  response.end(body);
}

/**
 * The body of a small request. Its time is bounded by the server's `requestTimeout`.
 * @throws LinepoolError `message_invalid` when it is too long or breaks off
 */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MESSAGE_MAX_BYTES) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new LinepoolError('message_invalid', 'The message broke off.', { cause });
  }
  if (length > MESSAGE_MAX_BYTES)
    throw new LinepoolError('message_invalid', `A message has ${MESSAGE_MAX_BYTES} bytes at most.`);
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * What is not HTTP, or came too slowly or too large. Once the connection was asked something, an answer may be on its
 * way, and a refusal would be taken for a part of it: then the connection is cut, and no more is said.
 */
export function onClientError(error: NodeJS.ErrnoException, socket: Duplex, wasAsked: boolean): void {
  if (wasAsked || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const code =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'headers_too_large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request_timeout'
        : 'bad_request';
  refuseConnect(socket, new LinepoolError(code));
}
