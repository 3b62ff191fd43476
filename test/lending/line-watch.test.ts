import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineWatch } from '../../src/lending/line-watch.ts';
import { NOT_LINKED } from '../../src/neighbours/link-sockets.ts';
import { FakeClock } from '../support/fake-clock.ts';

const DEV = '  wan: 5 0 0 0 0 0 0 0 6 0 0 0 0 0 0 0\n lan: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n';
const ROUTE = 'Iface\nwan\t00000000\t0\t0003\t0\t0\t0\t00000000\n';

function watch(files: Record<string, string>, chosen = 'auto') {
  const clock = new FakeClock();
  const addresses = () => ({ wan: [{ address: '192.0.2.7' }], lan: [{ address: '192.168.1.1' }] });
  const made = new LineWatch({ interface: chosen, clock, read: (file) => files[file], addresses });
  return { clock, made };
}

test('the counters are those of the interface of the default route, found by itself', () => {
  const files: Record<string, string> = { '/proc/net/dev': DEV, '/proc/net/route': ROUTE };
  const { clock, made } = watch(files);
  assert.deepEqual([...(made.counters() ?? [])], [['wan', { rx: 5n, tx: 6n }]]);
  files['/proc/net/route'] = '';
  clock.advance(1_000);
  assert.equal(made.counters()?.size, 0);
});

test('what goes through a tunnel is counted once, where it goes out', () => {
  const route6 = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80${'0'.repeat(27)}1 00000400 00000001 00000000 00000003 wan\n`;
  const files: Record<string, string> = {
    '/proc/net/dev': `${DEV} ds0: 4 0 0 0 0 0 0 0 3 0 0 0 0 0 0 0\n`,
    '/proc/net/route': ROUTE.replace('wan', 'ds0'),
    '/proc/net/ipv6_route': route6,
    '/sys/class/net/ds0/type': '769\n',
    '/sys/class/net/wan/type': '1\n',
    '/proc/sys/net/ipv4/ip_forward': '1\n',
  };
  const clock = new FakeClock();
  const addresses = () => ({ wan: [{ address: '192.0.2.7' }], ds0: [{ address: '192.0.0.2' }] });
  const made = new LineWatch({ interface: 'auto', clock, read: (file) => files[file], addresses });
  assert.deepEqual([...(made.counters()?.keys() ?? [])], ['wan']);
  assert.equal(made.inside(NOT_LINKED)?.has('ds0') ?? false, false, 'it leads to no client');
  files['/sys/class/net/ds0/type'] = '1\n';
  clock.advance(1_000);
  assert.deepEqual([...(made.counters()?.keys() ?? [])], ['ds0', 'wan'], 'two lines');
  files['/proc/net/ipv6_route'] = '';
  files['/sys/class/net/ds0/type'] = '769\n';
  clock.advance(1_000);
  assert.deepEqual([...(made.counters()?.keys() ?? [])], ['ds0'], 'all there is');
});

test('a name is taken as it is; without counters, or a way out that ever was, there is nothing to go by', () => {
  const { made } = watch({ '/proc/net/dev': DEV }, 'lan');
  assert.deepEqual([...(made.counters()?.keys() ?? [])], ['lan']);
  assert.equal(watch({ '/proc/net/dev': DEV }).made.counters(), undefined);
  assert.equal(watch({ '/proc/net/route': ROUTE }).made.counters(), undefined);
  assert.equal(watch({ '/proc/net/dev': DEV, '/proc/net/route': ROUTE }, 'none').made.counters(), undefined);
});

test('whether neighbours come over the line’s interface, and whether this is the gateway', () => {
  const files: Record<string, string> = { '/proc/net/dev': DEV, '/proc/net/route': ROUTE };
  const { made } = watch(files);
  made.counters();
  assert.equal(made.carries(['192.168.1.1']), false);
  assert.equal(made.carries(['192.0.2.7']), true);
  assert.equal(made.isGateway, false);
  assert.equal(made.carries(['0.0.0.0']), true);
  files['/proc/sys/net/ipv4/ip_forward'] = '1\n';
  assert.equal(made.isGateway, true);
  assert.equal(made.carries(['0.0.0.0', '::']), false);
});

test('on this machine it reads what there is, and never throws', () => {
  const counters = new LineWatch({ interface: 'auto', clock: new FakeClock() }).counters();
  assert.ok(counters === undefined || counters.size > 0);
});

test('when the interfaces can not be read, what was read last holds', () => {
  const files: Record<string, string> = {
    '/proc/net/dev': DEV,
    '/proc/net/route': ROUTE,
    '/proc/sys/net/ipv4/ip_forward': '1\n',
  };
  const clock = new FakeClock();
  let canRead = true;
  const addresses = () => {
    if (!canRead) throw new Error('EMFILE');
    return { wan: [{ address: '192.0.2.7' }], lan: [{ address: '192.168.1.1' }] };
  };
  const options = { interface: 'auto', clock, read: (file: string) => files[file], addresses };
  const made = new LineWatch(options);
  made.counters();
  canRead = false;
  assert.equal(made.carries(['192.0.2.7']), true);
  assert.deepEqual([...(made.inside(NOT_LINKED)?.keys() ?? [])], ['lan']);
  const never = new LineWatch(options);
  never.counters();
  assert.equal(never.carries(['192.0.2.7']), false);
  assert.equal(never.inside(NOT_LINKED), undefined);
});

test('interfaces for clients alone are those that are neither the line’s nor the neighbours’', () => {
  const files: Record<string, string> = { '/proc/net/dev': DEV, '/proc/net/route': ROUTE };
  const { clock, made } = watch(files);
  made.counters();
  const inside = (at: string[] = []) => [
    ...(made.inside({ at: new Set(at), from: new Set(['10.9.0.2']) })?.keys() ?? []),
  ];
  assert.deepEqual(inside(), []);
  files['/proc/sys/net/ipv4/ip_forward'] = '1\n';
  clock.advance(1_000);
  assert.deepEqual(inside(), ['lan']);
  assert.deepEqual(inside(['192.0.2.7']), ['lan']);
  assert.deepEqual(inside(['192.168.1.1']), []);
});

test('where clients are on the interface of the link, too, they can not be told from neighbours', () => {
  const arp = 'IP address       HW type     Flags       HW address            Mask     Device\n';
  const entry = (address: string, device: string, flags = '0x2'): string =>
    `${address}      0x1         ${flags}         02:00:00:00:00:01     *        ${device}\n`;
  const files: Record<string, string> = {
    '/proc/net/dev': `${DEV} guest: 4 0 0 0 0 0 0 0 3 0 0 0 0 0 0 0\n`,
    '/proc/net/route': ROUTE,
    '/proc/sys/net/ipv4/ip_forward': '1\n',
    '/proc/net/arp': arp + entry('192.168.1.7', 'lan'),
  };
  const clock = new FakeClock();
  const addresses = () => ({
    wan: [{ address: '192.0.2.7' }],
    lan: [{ address: '192.168.1.1' }],
    guest: [{ address: '192.168.2.1' }],
  });
  const made = new LineWatch({ interface: 'auto', clock, read: (file) => files[file], addresses });
  made.counters();
  const linked = { at: new Set(['192.168.1.1']), from: new Set(['192.168.1.7']) };
  const inside = () => [...(made.inside(linked)?.keys() ?? [])];
  assert.deepEqual(inside(), ['guest'], 'nobody but neighbours was heard there');
  files['/proc/net/arp'] += entry('192.168.1.30', 'lan', '0x0') + entry('192.168.2.30', 'guest');
  clock.advance(1_000);
  assert.deepEqual(inside(), ['guest'], 'nobody answered, or it was elsewhere');
  files['/proc/net/arp'] += entry('192.168.1.31', 'lan');
  clock.advance(1_000);
  assert.deepEqual(inside(), []);
});
