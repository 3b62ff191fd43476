/**
 * Verify: reads a ledger or an export from its first entry to its signed head, and names the first entry that does not hold, and why.
 * Needs no daemon. Run by `linepool ledger verify`.
 *
 * Checked of every entry: its hash, its number, that it fits what it refers to, that totals don't fall or pass the lease. Of the
 * signatures: the head's; the neighbours' under each lease and under the last receipt of each lease, which counts for all before it.
 * With `all` each signature, our household's own too: those it could make anew at any time, so they prove nothing against it.
 */
import { type KeyObject, verify as verifySignature } from 'node:crypto';
import type { Milliseconds } from '../core/units.ts';
import { publicKeyOf } from '../neighbours/public-key.ts';
import { Chain, type Fault, isFault, type Signed } from './chain.ts';
import type { Source } from './source.ts';

export interface VerifyOptions {
  /** Every signature, not only those that count. */
  readonly all?: boolean;
  /** Keys by household id, from elsewhere: every neighbour in the chain must be among them. */
  readonly keys?: ReadonlyMap<string, string> | undefined;
  /** Called now and then with how many entries have been read. */
  readonly onProgress?: (entries: number) => void;
}

export interface Verified {
  /** Undefined: all of it holds. Entry 0 is the header of an export, or the file itself. */
  readonly fault: Fault | undefined;
  /** Our household, as the chain has it at its end. */
  readonly household: string;
  readonly neighbours: readonly string[];
  readonly entries: number;
  readonly leases: number;
  readonly receipts: number;
  readonly signatures: { readonly checked: number; readonly unchecked: number };
  /** Entries may have been removed by retention up to here. */
  readonly prunedThrough: number;
  readonly head: { readonly seq: number; readonly signedAt: Milliseconds } | undefined;
}

/** Leases whose last receipt is waited for; of the one that waited longest the last so far is checked. */
const LEASES_HELD = 4_096;
/** Signatures that are being checked at once, off the main thread. */
const CHECKS_AT_ONCE = 256;

export async function verify(source: Source, options: VerifyOptions = {}): Promise<Verified> {
  const chain = new Chain(source.prunedThrough);
  const checks = new Checks(chain.keys, options.all === true);
  const fault = await firstFault(source, chain, checks, options);
  await checks.done();
  const head = fault === undefined ? chain.end(source.head()) : undefined;
  if (head !== undefined && !isFault(head)) {
    const { token } = head;
    checks.add({ seq: chain.lastSeq, by: chain.household, token, own: false }, 'the head');
    await checks.done();
  }
  const faults = [fault, checks.fault, head !== undefined && isFault(head) ? head : undefined];
  const first = faults
    .filter((one) => one !== undefined)
    .reduce<Fault | undefined>((a, b) => (a !== undefined && a.seq <= b.seq ? a : b), undefined);
  return {
    fault: first ?? claimFault(source, chain) ?? fileFault(source),
    household: chain.household,
    neighbours: [...chain.neighbours],
    entries: chain.entries,
    leases: chain.leases,
    receipts: chain.receipts,
    signatures: { checked: checks.checked, unchecked: checks.unchecked },
    prunedThrough: source.prunedThrough,
    head:
      head === undefined || isFault(head) ? undefined : { seq: head.head.seq, signedAt: head.head.signedAt },
  };
}

async function firstFault(
  source: Source,
  chain: Chain,
  checks: Checks,
  { keys, onProgress }: VerifyOptions,
): Promise<Fault | undefined> {
  /** By lease, the signatures under its last receipt so far. */
  const held = new Map<number, readonly Signed[]>();
  for await (const items of source.items()) {
    for (const item of items) {
      const signatures = chain.step(item);
      if (isFault(signatures)) return signatures;
      if (item.kind === 'entry' && item.entry.content.kind === 'party') {
        const { neighbour, publicKey } = item.entry.content;
        if (keys !== undefined && keys.get(neighbour) !== publicKey)
          return { seq: item.entry.seq, why: 'the key is not among those that were given' };
      }
      if (signatures.kind === 'now') {
        for (const signed of signatures.signed) checks.add(signed);
        continue;
      }
      const { lease, last, signed } = signatures;
      checks.passOver(held.get(lease));
      held.delete(lease);
      if (last) for (const one of signed) checks.add(one);
      else held.set(lease, signed);
      if (held.size > LEASES_HELD) {
        const [oldest = 0] = held.keys();
        for (const one of held.get(oldest) ?? []) checks.add(one);
        held.delete(oldest);
      }
    }
    // What is wrong already comes first: nothing behind it matters.
    if (checks.fault !== undefined) return undefined;
    onProgress?.(chain.entries);
    await checks.room();
  }
  for (const signed of held.values()) for (const one of signed) checks.add(one);
  return undefined;
}

/** Signatures being checked by the threads that Node has for that. */
class Checks {
  checked = 0;
  unchecked = 0;
  /** The first entry, so far, with a signature that does not hold. */
  fault: Fault | undefined;

  readonly #publicKeys: ReadonlyMap<string, string>;
  readonly #all: boolean;
  readonly #keys = new Map<string, KeyObject | undefined>();
  #running = 0;
  #wake: (() => void) | undefined;

  constructor(publicKeys: ReadonlyMap<string, string>, all: boolean) {
    this.#publicKeys = publicKeys;
    this.#all = all;
  }

  add({ seq, by, token, own }: Signed, what = 'a signature'): void {
    if (own && !this.#all) {
      this.unchecked += 1;
      return;
    }
    this.checked += 1;
    const key = this.#key(by);
    if (key === undefined) {
      this.#failed(seq, `there is no key of ${by}`);
      return;
    }
    const dot = token.lastIndexOf('.');
    const input = Buffer.from(token.slice(0, dot), 'latin1');
    const signature = Buffer.from(token.slice(dot + 1), 'base64url');
    this.#running += 1;
    verifySignature(null, input, key, signature, (error, holds) => {
      this.#running -= 1;
      if (error !== null || !holds) this.#failed(seq, `${what} does not hold: it is not by ${by}`);
      this.#wake?.();
    });
  }

  /** A receipt that another one of the same lease follows. */
  passOver(signed: readonly Signed[] | undefined): void {
    for (const one of signed ?? []) {
      if (this.#all) this.add(one);
      else this.unchecked += 1;
    }
  }

  /** Resolves when more can be added without holding too much. */
  room(): Promise<void> {
    return this.#until(CHECKS_AT_ONCE);
  }

  done(): Promise<void> {
    return this.#until(0);
  }

  async #until(running: number): Promise<void> {
    while (this.#running > running) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #failed(seq: number, why: string): void {
    if (this.fault === undefined || seq < this.fault.seq) this.fault = { seq, why };
  }

  #key(id: string): KeyObject | undefined {
    if (!this.#keys.has(id)) this.#keys.set(id, publicKeyOf(this.#publicKeys.get(id) ?? ''));
    return this.#keys.get(id);
  }
}

/** Whether the header of an export says what its entries say. */
function claimFault({ claimed }: Source, chain: Chain): Fault | undefined {
  if (claimed === undefined) return undefined;
  const { household, publicKey, neighbours } = claimed;
  const same =
    household === chain.household &&
    publicKey === chain.keys.get(household) &&
    neighbours.size === chain.neighbours.size &&
    [...chain.neighbours].every((id) => neighbours.get(id) === chain.keys.get(id));
  return same ? undefined : { seq: 0, why: 'the header names other households or keys than the entries' };
}

function fileFault(source: Source): Fault | undefined {
  const why = source.fault();
  return why === undefined
    ? undefined
    : { seq: 0, why: `every entry holds, but the file is damaged: ${why}` };
}
