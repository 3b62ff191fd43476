/**
 * What the configuration file says of lending, brought to the steward: at the start, when it is read again, and when
 * neighbours come and go, as it speaks of them by name. Made by daemon.ts. What was set live overrides it, key by key.
 *
 * A name that no neighbour has is refused when the file is read again: the running policy stays. At the start it is only told:
 * a neighbour that parted from us must not keep our daemon from starting. A name once found goes on to mean that household
 * when it is renamed, until the file is read again, and a household is the one that it was under its former keys: whom the file
 * denies must not be let in by a new name, nor by a new key.
 */
import { LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { LendSettings, NeighbourSettings } from './settings.ts';

export type NamedTerms = Readonly<Record<string, NeighbourSettings>>;

interface Known {
  readonly id: string;
  readonly name: string;
  readonly formerKeys: readonly { readonly id: string }[];
}

export interface ConfiguredRooms {
  readonly events: Events;
  readonly neighbours: () => readonly Known[];
  readonly steward: { configure(settings: LendSettings, termsById: NamedTerms): void };
}

export class Configured {
  readonly #rooms: ConfiguredRooms;
  #settings: LendSettings;
  #terms: NamedTerms;
  /** Whom a name of the file means. */
  #meant: ReadonlyMap<string, string> = new Map();
  /** Names that were told of. */
  #told: ReadonlySet<string> = new Set();

  constructor(settings: LendSettings, terms: NamedTerms, rooms: ConfiguredRooms) {
    this.#rooms = rooms;
    this.#settings = settings;
    this.#terms = terms;
    this.neighboursChanged();
  }

  /**
   * The file was read again.
   * @throws LinepoolError `policy_invalid`, naming the key, the value and what it must be: nothing is changed
   */
  readAgain(settings: LendSettings, terms: NamedTerms): void {
    const { steward, neighbours } = this.#rooms;
    const meant = meaning(terms, neighbours(), new Map());
    const unknown = Object.keys(terms).filter((name) => !meant.has(name));
    if (unknown.length > 0) throw new LinepoolError('policy_invalid', unknownWords(unknown, neighbours()));
    steward.configure(settings, byId(terms, meant));
    this.#settings = settings;
    this.#terms = terms;
    this.#meant = meant;
    this.#told = new Set();
  }

  /** Somebody was paired with, parted from or renamed, or has another key. */
  neighboursChanged(): void {
    const { steward, neighbours, events } = this.#rooms;
    this.#meant = meaning(this.#terms, neighbours(), this.#meant);
    const unknown = Object.keys(this.#terms).filter((name) => !this.#meant.has(name));
    if (unknown.some((name) => !this.#told.has(name))) {
      const detail = `${unknownWords(unknown, neighbours())} It holds once there is one.`;
      events.report({ kind: 'warning', code: 'neighbour_unknown', detail });
    }
    this.#told = new Set(unknown);
    steward.configure(this.#settings, byId(this.#terms, this.#meant));
  }
}

/** By name or id; a name that meant a neighbour before goes on to do so. */
function meaning(
  terms: NamedTerms,
  neighbours: readonly Known[],
  before: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  return new Map(
    Object.keys(terms).flatMap((name) => {
      const known = before.get(name);
      const kept = known === undefined ? undefined : neighbours.find((one) => isOrWas(one, known));
      const found = kept ?? neighbours.find((one) => one.name === name || isOrWas(one, name));
      return found === undefined ? [] : [[name, found.id] as const];
    }),
  );
}

const isOrWas = ({ id, formerKeys }: Known, sought: string): boolean =>
  id === sought || formerKeys.some((former) => former.id === sought);

/** Of two entries for one household, by name and by id, the later one holds. */
const byId = (terms: NamedTerms, meant: ReadonlyMap<string, string>): NamedTerms =>
  Object.fromEntries([...meant].map(([name, id]) => [id, terms[name] ?? {}]));

function unknownWords(names: readonly string[], neighbours: readonly Known[]): string {
  const there = neighbours.map(({ name }) => JSON.stringify(name)).join(', ');
  const keys = names.map((name) => `lend.neighbours.${JSON.stringify(name)}`).join(', ');
  return `${keys}: must be the name or id of a neighbour; there ${there === '' ? 'is none' : `are ${there}`}.`;
}
