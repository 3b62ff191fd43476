/**
 * Mutations of tokens, each of which must be refused: what a forger could do to a lease or a receipt without the key that signed
 * it, with it, and with a key of its own. Deterministic: the same seed mutates the same. Used by tests and by the attacks.
 */
import { createHash, type KeyObject, sign } from 'node:crypto';

export interface Mutation {
  /** What was done, for people. */
  readonly says: string;
  readonly token: string;
}

export interface MutationKeys {
  /** The key that signs honestly: who has it may still claim what is not so. */
  readonly own: KeyObject;
  /** Another household's. */
  readonly other: KeyObject;
}

/** Numbers from a seed, evenly spread; not for secrets. */
export class Dice {
  #state: Buffer;

  constructor(seed: number) {
    this.#state = createHash('sha256').update(`mutations ${seed}`).digest();
  }

  /** From 0 to below `bound`. */
  below(bound: number): number {
    this.#state = createHash('sha256').update(this.#state).digest();
    return this.#state.readUIntBE(0, 6) % bound;
  }

  oneOf<T>(all: readonly [T, ...T[]]): T {
    return all[this.below(all.length)] ?? all[0];
  }
}

type Claims = Readonly<Record<string, unknown>>;

const text = (part: string): string => Buffer.from(part).toString('base64url');
const signed = (header: string, payload: string, key: KeyObject): string => {
  const input = `${text(header)}.${text(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
};
const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ +/';

/**
 * The token, changed somehow. `claims`: values by claim that make no honest token of it, with which the honest key signs it anew.
 */
export function mutated(
  token: string,
  dice: Dice,
  keys: MutationKeys,
  claims: Readonly<Record<string, readonly [unknown, ...unknown[]]>>,
): Mutation {
  const [head = '', body = '', signature = ''] = token.split('.');
  const header = Buffer.from(head, 'base64url').toString();
  const payload = Buffer.from(body, 'base64url').toString();
  const own = JSON.parse(payload) as Claims;
  const at = dice.below(token.length);
  const kind = dice.below(12);
  switch (kind) {
    case 0:
    case 1: {
      const now = token.charAt(at);
      const others = CHARACTERS.split('').filter((one) => one !== now) as [string, ...string[]];
      const character = dice.oneOf(others);
      return {
        says: `character ${at} is ${character}`,
        token: token.slice(0, at) + character + token.slice(at + 1),
      };
    }
    case 2:
      return { says: `cut off at ${at}`, token: token.slice(0, at) };
    case 3:
      return { says: `${at} characters more`, token: token + 'A'.repeat(1 + at) };
    case 4: {
      const bytes = Buffer.from(signature, 'base64url');
      const bit = dice.below(bytes.length * 8);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return {
        says: `bit ${bit} of the signature`,
        token: `${head}.${body}.${bytes.toString('base64url')}`,
      };
    }
    case 5:
      return { says: 'signed by another household', token: signed(header, payload, keys.other) };
    case 6: {
      const alg = dice.oneOf(['none', 'HS256', 'ES256', 'RS256', 'eddsa']);
      const other = JSON.stringify({ ...(JSON.parse(header) as object), alg });
      const tail = dice.oneOf(['', signature]);
      return { says: `algorithm ${alg}`, token: `${text(other)}.${body}.${tail}` };
    }
    case 7: {
      const typ = dice.oneOf(['JWT', 'linepool-lease ', 'linepool-span', '']);
      const other = JSON.stringify({ ...(JSON.parse(header) as object), typ });
      return { says: `type ${typ}`, token: signed(other, payload, keys.own) };
    }
    case 8: {
      const { alg, typ } = JSON.parse(header) as Claims;
      const other = dice.oneOf<Claims>([
        { alg, typ, crit: ['b64'] },
        { alg, typ, kid: 'x' },
        { typ, alg },
      ]);
      return {
        says: 'more in its header, or in another order',
        token: signed(JSON.stringify(other), payload, keys.own),
      };
    }
    case 9: {
      const names = Object.keys(own) as [string, ...string[]];
      const { [dice.oneOf(names)]: gone, ...rest } = own;
      return {
        says: `without ${JSON.stringify(gone)}`,
        token: signed(header, JSON.stringify(rest), keys.own),
      };
    }
    case 10: {
      const more = { ...own, [`x${at}`]: 1 };
      return { says: `with x${at}`, token: signed(header, JSON.stringify(more), keys.own) };
    }
    default: {
      const [name, values] = dice.oneOf(Object.entries(claims) as [[string, [unknown, ...unknown[]]]]);
      const value = dice.oneOf(values);
      return {
        says: `${name} is ${JSON.stringify(value)}`,
        token: signed(header, JSON.stringify({ ...own, [name]: value }), keys.own),
      };
    }
  }
}
