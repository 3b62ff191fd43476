/** A seat for pairing with things on it, for tests of the API and of the command line; what it is asked to do, it notes down. */
import type {
  ConfirmNumberRequest,
  DiscoveredRouters,
  Pairing,
  PairingSeat,
  Visible,
  VisibleRequest,
} from '../../src/control/pairing.ts';
import type { BlockedHousehold } from '../../src/control/schema.ts';
import { LinepoolError } from '../../src/core/errors.ts';

export class StubPairing implements PairingSeat {
  readonly #asked: string[];
  readonly #now: number;
  state: NonNullable<Pairing['comparison']> | undefined;
  visible: Visible | undefined;
  blockedList: BlockedHousehold[] = [];

  constructor(asked: string[], now: number) {
    this.#asked = asked;
    this.#now = now;
  }

  pairing(): Pairing {
    return {
      ...(this.visible === undefined ? {} : { visible: this.visible }),
      ...(this.state === undefined ? {} : { comparison: this.state }),
    };
  }

  show({ forMs }: VisibleRequest): Promise<Visible> {
    this.#asked.push(`visible ${forMs}`);
    this.visible = { name: 'lp-k3v7q2mx', until: this.#now + forMs, at: ['192.168.1.1'] };
    return Promise.resolve(this.visible);
  }

  hide(): Promise<void> {
    this.#asked.push('hidden');
    this.visible = undefined;
    return Promise.resolve();
  }

  discover(): Promise<DiscoveredRouters> {
    return Promise.resolve({ routers: [{ name: 'lp-abcdefgh', address: '192.168.1.2:7468' }] });
  }

  pairWith(nameOrAddress: string): Promise<Pairing> {
    this.#asked.push(`pair with ${nameOrAddress}`);
    if (nameOrAddress === 'lp-zzzzzzzz') return Promise.reject(new LinepoolError('pairing_closed'));
    this.state = {
      role: 'asking',
      address: nameOrAddress,
      state: 'comparing',
      number: '012345',
      leftMs: 120_000,
    };
    return Promise.resolve(this.pairing());
  }

  confirmNumber({ number, name }: ConfirmNumberRequest): Promise<Pairing> {
    this.#asked.push(`confirm ${number} ${name ?? ''}`.trim());
    if (this.state === undefined) return Promise.reject(new LinepoolError('not_found'));
    if (number.replace(/\D/g, '') !== '012345') return Promise.reject(new LinepoolError('pairing_rejected'));
    this.state = { role: 'asking', address: this.state.address, state: 'paired', neighbour: name ?? 'Attic' };
    return Promise.resolve(this.pairing());
  }

  rejectNumber(): Pairing {
    this.#asked.push('reject');
    if (this.state === undefined) throw new LinepoolError('not_found');
    this.state = { role: 'asking', address: this.state.address, state: 'ended', why: 'rejected_here' };
    return this.pairing();
  }

  blocked(): readonly BlockedHousehold[] {
    return this.blockedList;
  }

  block(nameOrId: string): Promise<BlockedHousehold> {
    this.#asked.push(`block ${nameOrId}`);
    if (nameOrId === 'nobody') return Promise.reject(new LinepoolError('neighbour_unknown', '"nobody"'));
    const blocked = { name: nameOrId, id: 'iiii-jjjj', shortId: 'iiii', blockedAt: this.#now };
    this.blockedList.push(blocked);
    return Promise.resolve(blocked);
  }

  unblock(nameOrId: string): Promise<BlockedHousehold> {
    this.#asked.push(`unblock ${nameOrId}`);
    const found = this.blockedList.find(({ name }) => name === nameOrId);
    if (found === undefined) return Promise.reject(new LinepoolError('neighbour_unknown', nameOrId));
    this.blockedList = this.blockedList.filter((one) => one !== found);
    return Promise.resolve(found);
  }
}
