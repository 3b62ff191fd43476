/** A desk with things on it, for tests of the API and of the command line; what it is asked to do, it notes down. */

import type { Desk, Totals } from '../../src/control/desk.ts';
import type { RememberedOrigin } from '../../src/control/origins.ts';
import type { DownloadReport } from '../../src/control/reported.ts';
import type {
  Download,
  Invitation,
  JoinRequest,
  Lending,
  LendNeighbourRequest,
  LendRequest,
  Neighbour,
  Offer,
  Status,
  TrustRequest,
  Verdict,
} from '../../src/control/schema.ts';
import { LinepoolError } from '../../src/core/errors.ts';
import { Events } from '../../src/core/events.ts';
import { StubPairing } from './stub-pairing.ts';

export const STARTED_AT = Date.UTC(2026, 0, 1, 12);

export class StubDesk implements Desk {
  readonly events = new Events(() => STARTED_AT);
  readonly asked: string[] = [];
  readonly pairing = new StubPairing(this.asked, STARTED_AT);
  originList: RememberedOrigin[] = [
    {
      origin: 'http://busy.example',
      path: 'own',
      pathName: 'own line',
      code: 'origin_busy',
      words: 'origin asked for fewer requests',
      detail: '(status 429)',
      since: STARTED_AT,
      until: STARTED_AT + 30_000,
      times: 1,
    },
  ];
  control = '127.0.0.1:0';
  neighbourList: Neighbour[] = [
    {
      name: 'Third floor',
      id: 'aaaa-bbbb-cccc-dddd',
      shortId: 'aaaa-bbbb',
      up: true,
      address: '192.168.77.2:7468',
      offer: { bytesPerSecond: 2_500_000, bufferBytes: 262_144 },
      roundTripMs: 4.2,
      since: STARTED_AT,
      lentBytes: 1_048_576,
      borrowedBytes: 52_428_800,
      signed: { lentBytes: 1_000_000, borrowedBytes: 52_000_000 },
    },
    {
      name: 'Garden',
      id: 'eeee-ffff-gggg-hhhh',
      shortId: 'eeee-ffff',
      up: false,
      since: STARTED_AT,
      lastError: { code: 'neighbour_unreachable', detail: '(ECONNREFUSED)', at: STARTED_AT },
      lentBytes: 0,
      borrowedBytes: 0,
    },
  ];
  downloadList: Download[] = [
    {
      id: 'd2',
      origin: 'http://files.example',
      bytes: 104_857_600,
      deliveredBytes: 52_428_800,
      state: 'live',
      scheme: 'adaptive',
      startedAt: STARTED_AT,
      ms: 4_000,
      namesByPath: { own: 'own line', 'aaaa-bbbb-cccc-dddd': 'Third floor', 'iiii-jjjj-kkkk-llll': 'Parted' },
      bytesByPath: { own: 30_000_000, 'aaaa-bbbb-cccc-dddd': 25_000_000, 'iiii-jjjj-kkkk-llll': 1_048_576 },
      ratesByPath: { own: 6_250_000, 'aaaa-bbbb-cccc-dddd': 2_500_000 },
      reason: 'saves 5.1 s',
      peakWindowBytes: 2_097_152,
      bytesTwice: 0,
      spansInFlight: [{ path: 'own', start: 55_000_000, end: 57_000_000, doneBytes: 1_000_000 }],
    },
    {
      id: 'd1',
      origin: 'https://files.example',
      bytes: 1_000,
      deliveredBytes: 500,
      state: 'failed',
      code: 'origin_changed',
      scheme: 'adaptive',
      startedAt: STARTED_AT - 60_000,
      ms: 900,
      namesByPath: { own: 'own line' },
      bytesByPath: { own: 500 },
      ratesByPath: {},
      reason: 'saves 1.0 s',
      peakWindowBytes: 0,
      bytesTwice: 100,
      spansInFlight: [],
    },
  ];

  status(): Status {
    return {
      version: '0.1.0',
      pid: process.pid,
      household: { id: 'zzzz-yyyy-xxxx-wwww', shortId: 'zzzz-yyyy', name: 'Ground floor' },
      startedAt: STARTED_AT,
      proxy: ['127.0.0.1:3128'],
      control: this.control,
      link: [],
      line: { downBytesPerSecond: 6_250_000, learned: true, measuredBy: 'own_traffic', weak: true },
      window: { capBytes: 16_777_216, heldBytes: 1_048_576, peakBytes: 2_097_152 },
      lending: { enabled: true, sharePercent: 50, bytesPerSecond: 0, bytes: 1_048_576, connections: 0 },
      memory: { rssBytes: 70_000_000, heapUsedBytes: 10_000_000, externalBytes: 2_000_000 },
    };
  }

  downloads(): readonly Download[] {
    return this.downloadList;
  }

  verdicts(): readonly Verdict[] {
    return [{ at: STARTED_AT, origin: 'http://files.example', pool: false, reason: 'too small', bytes: 12 }];
  }

  neighbours(): readonly Neighbour[] {
    return this.neighbourList;
  }

  offers(): readonly Offer[] {
    return [
      {
        neighbour: 'Third floor',
        id: 'aaaa-bbbb-cccc-dddd',
        direction: 'received',
        bytesPerSecond: 2_500_000,
        bufferBytes: 262_144,
        at: STARTED_AT,
      },
    ];
  }

  totals(): Totals {
    return {
      ownBytes: 30_000_500,
      borrowedBytes: 25_000_000,
      lentBytes: 1_048_576,
      passedBytes: 12,
      requests: 3,
    };
  }

  invite({ ttlMs }: { readonly ttlMs: number }): Promise<Invitation> {
    this.asked.push(`invite ${ttlMs}`);
    return Promise.resolve({ invitation: 'LP1-test-invitation', expiresAt: STARTED_AT + ttlMs });
  }

  join(request: JoinRequest): Promise<Neighbour> {
    this.asked.push(`join ${JSON.stringify(request)}`);
    if (!request.invitation.startsWith('LP1')) return Promise.reject(new LinepoolError('invitation_invalid'));
    return Promise.resolve({ ...this.#find('Third floor'), name: request.name ?? 'Third floor' });
  }

  part(nameOrId: string): Promise<void> {
    try {
      this.asked.push(`part ${this.#find(nameOrId).name}`);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  rename(nameOrId: string, name: string): Promise<Neighbour> {
    try {
      const found = this.#find(nameOrId);
      this.asked.push(`rename ${found.name} ${name}`);
      return Promise.resolve({ ...found, name });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  trust(nameOrId: string, request: TrustRequest): Promise<Neighbour> {
    try {
      const found = this.#find(nameOrId);
      this.asked.push(`trust ${found.name} ${JSON.stringify(request)}`);
      return Promise.resolve({ ...found, trust: request.trust ?? 'https-only' });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  lending(): Lending {
    return {
      bytesPerSecond: 1_250_000,
      upBytesPerSecond: 125_000,
      reason: 'hours',
      words: '20 % from 06:00 to 22:00',
      until: STARTED_AT + 3_600_000,
      allowed: { down: 1_250_000 },
      settings: [
        { key: 'enabled', value: true, from: 'configuration' },
        { key: 'share_percent', value: 20, from: 'set' },
        { key: 'rate', from: 'configuration' },
        { key: 'hours', value: ['06:00-22:00 20 %'], from: 'set' },
        { key: 'quota_month', value: 10_737_418_240, from: 'set' },
      ],
      pause: { kind: 'none' },
      usage: { dayBytes: 1_048_576, monthBytes: 5_368_709_120 },
      line: {
        interfaces: ['wan'],
        measuredBy: 'counters',
        weak: false,
        capacity: { down: 6_250_000, up: 625_000 },
        learned: { down: false, up: true },
        own: { down: 125_000, up: 0 },
      },
      neighbours: [
        {
          name: 'Third floor',
          id: 'aaaa-bbbb-cccc-dddd',
          allowed: false,
          weight: 1.5,
          words: 'not allowed to borrow',
          rate: { down: 0, up: 0 },
          dayBytes: 0,
          monthBytes: 1_048_576,
          set: { allow: false },
        },
      ],
    };
  }

  lend(request: LendRequest): Promise<Lending> {
    this.asked.push(`lend ${JSON.stringify(request)}`);
    if (request.set?.['share_percent'] !== 120) return Promise.resolve(this.lending());
    return Promise.reject(
      new LinepoolError('policy_invalid', 'lend.share_percent = 120: must be a percentage from 0 to 100'),
    );
  }

  lendTo(nameOrId: string, request: LendNeighbourRequest): Promise<Lending> {
    try {
      this.asked.push(`lend to ${this.#find(nameOrId).name} ${JSON.stringify(request)}`);
      return Promise.resolve(this.lending());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  origins(): readonly RememberedOrigin[] {
    return this.originList;
  }

  report(id: string, { state }: DownloadReport): void {
    this.asked.push(`report ${id} ${state}`);
  }

  forgetOrigin(name: string): void {
    this.asked.push(`forget ${name}`);
    if (name !== 'busy.example') throw new LinepoolError('not_found', name);
  }

  stop(reason: string): void {
    this.asked.push(`stop ${reason}`);
  }

  #find(nameOrId: string): Neighbour {
    const found = this.neighbourList.find(({ name, id }) => name === nameOrId || id === nameOrId);
    if (found === undefined) throw new LinepoolError('neighbour_unknown', JSON.stringify(nameOrId));
    return found;
  }
}
