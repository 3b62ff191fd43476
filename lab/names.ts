/**
 * A name server that knows no names: it answers each question at once with a refusal, which tells a household how late its line
 * answers. A program of its own, for the origin's namespace; started by origin.ts.
 *
 *     node lab/names.ts ADDRESS       # says "ready" when it listens, and goes on until it is ended
 */
import { createSocket } from 'node:dgram';
import { NAMES_PORT } from './places.ts';

/** Of the flags of a message (RFC 1035 section 4.1.1): an answer; and its code, REFUSED. */
const ANSWER = 0x80;
const REFUSED = 5;
const HEAD_BYTES = 12;

const socket = createSocket('udp4');
socket.on('message', (question, { address, port }) => {
  if (question.length < HEAD_BYTES) return;
  const answer = Buffer.from(question);
  answer[2] = (answer[2] ?? 0) | ANSWER;
  answer[3] = REFUSED;
  socket.send(answer, port, address);
});
socket.bind(NAMES_PORT, process.argv[2], () => console.log('ready'));
