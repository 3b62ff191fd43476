import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ControlClient } from '../../src/control/client.ts';
import { HEARTBEAT_MS, LISTENERS_MAX } from '../../src/control/event-stream.ts';
import type { EventRecord } from '../../src/control/schema.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';
import { type Served, serve, TOKEN } from './served.ts';

describe('event stream', () => {
  let served: Served;
  let clock: FakeClock;
  beforeEach(async () => {
    clock = new FakeClock();
    served = await serve(clock);
  });
  afterEach(async () => {
    const ended = served[Symbol.asyncDispose]();
    // Who still listens is cut off when the grace is over, and the clock here stands still.
    clock.advance(60_000);
    await ended;
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  const report = (n: number): void => served.desk.events.report({ kind: 'neighbour_up', neighbour: `n${n}` });

  /** Opens a stream; the text grows as it comes. */
  const listen = (
    path: string,
    headers: Record<string, string> = {},
  ): Promise<[IncomingMessage, { text: string }]> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          host: '127.0.0.1',
          port: served.port,
          path,
          agent: false,
          headers: { authorization: `Bearer ${TOKEN}`, ...headers },
        },
        (response) => {
          const got = { text: '' };
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            got.text += chunk;
          });
          response.on('error', () => undefined);
          resolve([response, got]);
        },
      );
      request.on('error', reject);
      request.end();
    });
  const ids = (text: string): number[] =>
    [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));

  it('sends what was kept, then what happens', async () => {
    report(1);
    report(2);
    const [response, got] = await listen('/v1/events?since=1');
    assert.equal(response.headers['content-type'], 'text/event-stream');
    await until('the kept one', () => ids(got.text).length === 1);
    report(3);
    await until('the new one', () => ids(got.text).length === 2);
    assert.deepEqual(ids(got.text), [2, 3]);
    assert.match(got.text, /\nevent: neighbour_up\ndata: \{"seq":3,.*"neighbour":"n3"\}\}\n\n$/);
    response.destroy();
  });

  it('goes on after Last-Event-ID, which wins over the query', async () => {
    for (let n = 1; n <= 4; n++) report(n);
    const [response, got] = await listen('/v1/events?since=0', { 'last-event-id': '3' });
    await until('the rest', () => ids(got.text).length > 0);
    assert.deepEqual(ids(got.text), [4]);
    response.destroy();
  });

  it('sends all to one who counts from before a restart', async () => {
    report(1);
    const [response, got] = await listen('/v1/events?since=900');
    await until('all', () => ids(got.text).length > 0);
    assert.deepEqual(ids(got.text), [1]);
    response.destroy();
  });

  it('beats while nothing happens', async () => {
    const [response, got] = await listen('/v1/events');
    clock.advance(HEARTBEAT_MS);
    await until('a heartbeat', () => got.text.includes(': still here'));
    response.destroy();
  });

  it('bounds the listeners, and forgets those that go', async () => {
    const open = await Promise.all(Array.from({ length: LISTENERS_MAX }, () => listen('/v1/events')));
    assert.equal((await served.ask('GET', '/v1/events')).status, 503);
    for (const [response] of open) response.destroy();
    await until('all gone', async () => {
      const [response] = await listen('/v1/events');
      response.destroy();
      return response.statusCode === 200;
    });
  });

  it('cuts off who does not keep up, and nobody else', async () => {
    const [response, got] = await listen('/v1/events');
    const slow = connect(served.port, '127.0.0.1');
    slow.on('error', () => undefined);
    slow.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    slow.pause();
    let seq = 0;
    // Far more than the socket's buffers and the backlog together, given in steps that the other one takes.
    for (let round = 0; round < 200 && !slow.destroyed; round++) {
      for (let n = 0; n < 100; n++) {
        seq += 1;
        served.desk.events.report({ kind: 'warning', code: 'internal', detail: 'x'.repeat(2_000) });
      }
      await until('the one that reads keeps up', () => got.text.includes(`id: ${seq}\n`));
      got.text = got.text.slice(-2_000);
    }
    slow.resume();
    await until('the slow one is cut off', () => slow.destroyed);
    report(0);
    await until('the other still hears', () => got.text.includes('"neighbour":"n0"'));
    response.destroy();
  });

  it('gives a list to who does not want to follow', async () => {
    report(1);
    report(2);
    const reply = await served.ask('GET', '/v1/events?follow=no&since=1');
    assert.equal((JSON.parse(reply.text) as { events: EventRecord[] }).events[0]?.seq, 2);
    assert.equal((await new ControlClient(served.server.address, TOKEN).eventsKept()).length, 2);
  });

  it('is followed by the client until it aborts, or the daemon ends', async () => {
    const client = new ControlClient(served.server.address, TOKEN);
    report(1);
    const aborter = new AbortController();
    const seen: EventRecord[] = [];
    for await (const record of client.events({ signal: aborter.signal })) {
      seen.push(record);
      if (record.seq === 2) aborter.abort();
      else report(2);
    }
    assert.deepEqual(
      seen.map(({ event }) => event),
      [
        { kind: 'neighbour_up', neighbour: 'n1' },
        { kind: 'neighbour_up', neighbour: 'n2' },
      ],
    );
    for await (const record of client.events({ since: 1, signal: new AbortController().signal })) {
      assert.equal(record.seq, 2);
      void served[Symbol.asyncDispose]();
    }
  });
});
