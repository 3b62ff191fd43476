import assert from 'node:assert/strict';
import { it } from 'node:test';
import { forNeighbours } from '../../src/paths/neighbour-line.ts';

it('a neighbour is sent nothing of a request but the range', () => {
  const headers = [
    ['Range', 'bytes=0-1'],
    ['accept-encoding', 'identity'],
    ['Cookie', 'a=b'],
    ['Authorization', 'Basic x'],
    ['Referer', 'http://files.example/secret'],
    ['User-Agent', 'curl'],
    ['X-Api-Key', 'k'],
  ];
  assert.deepEqual(forNeighbours(headers.flat()), ['Range', 'bytes=0-1', 'accept-encoding', 'identity']);
});
