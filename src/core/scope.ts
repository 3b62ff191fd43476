/**
 * Scopes: who owns what, and when it ends. A scope has one `AbortSignal` and any number of things to end;
 * ending it aborts the signal first and then ends the things, last come first. A scope made under another ends with it.
 */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  #ended: Promise<void> | undefined;

  /** Aborts when the scope ends; its reason says why. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Owns it from now on. A thing owned after the end is ended at once. */
  own<T extends AsyncDisposable | Disposable>(thing: T): T {
    if (this.#ended === undefined) {
      this.#stack.use(thing);
      return thing;
    }
    if (Symbol.dispose in thing) thing[Symbol.dispose]();
    else void thing[Symbol.asyncDispose]();
    return thing;
  }

  /** A scope that ends with this one, or before. */
  child(): Scope {
    return this.own(new Scope());
  }

  /** Ends once; later calls wait for the same end. */
  end(reason: Error = new Error('ended')): Promise<void> {
    this.#ended ??= (async () => {
      this.#controller.abort(reason);
      await this.#stack.disposeAsync();
    })();
    return this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
