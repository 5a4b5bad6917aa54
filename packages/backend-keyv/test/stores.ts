/** Storage adapters for tests, in the shapes of Keyv 5 and 6: small stores, with switches for what goes wrong. */

import { EventEmitter } from 'node:events';

/** Options of Keyv 5 that switch serialisation off; its types do not say so. */
export const UNSERIALISED = { serialize: undefined, deserialize: undefined } as unknown as Record<never, never>;

export type Trouble = 'none' | 'hang' | 'reject' | 'throw' | 'emit' | 'answerFalse';

/** A storage adapter of Keyv 5 without an iterator. Keys come prefixed, and expiry is left to Keyv. */
export class BareAdapter5 extends EventEmitter {
  readonly opts: Record<string, unknown> = { dialect: 'redis', url: '' };
  namespace: string | undefined;
  readonly entries = new Map<string, unknown>();
  trouble: Trouble = 'none';
  /** By name: what was asked, also while there was trouble. */
  readonly asked: string[] = [];
  /** Calls that hang, to be settled by a test. */
  readonly hanging: (() => void)[] = [];
  disconnected = 0;

  get(key: string): unknown {
    return this.answer('get', () => this.entries.get(key), undefined);
  }

  set(key: string, value: unknown, _ttl?: number): unknown {
    return this.answer('set', () => this.entries.set(key, value) === this.entries, false);
  }

  delete(key: string): unknown {
    return this.answer('delete', () => this.entries.delete(key), false);
  }

  clear(): unknown {
    return this.answer(
      'clear',
      () => {
        for (const key of this.entries.keys()) {
          if (!this.namespace || key.startsWith(`${this.namespace}:`)) this.entries.delete(key);
        }
      },
      undefined,
    );
  }

  async disconnect(): Promise<void> {
    this.disconnected++;
  }

  protected answer<T>(method: string, work: () => T, refusal: unknown): unknown {
    this.asked.push(method);
    if (this.trouble === 'throw') throw new Error('the store threw');
    return this.#later(work, refusal);
  }

  async #later<T>(work: () => T, refusal: unknown): Promise<unknown> {
    const { trouble } = this;
    await new Promise((resolve) => setImmediate(resolve));
    if (trouble === 'hang') await new Promise<void>((resolve) => this.hanging.push(resolve));
    if (trouble === 'reject') throw new Error('the store rejects');
    if (trouble === 'emit') {
      this.emit('error', new Error('the store has emitted an error'));
      return refusal; // as adapters that swallow their errors
    }
    return trouble === 'answerFalse' ? refusal : work();
  }
}

/** The same with an iterator, as the official ones have it. */
export class Adapter5 extends BareAdapter5 {
  async *iterator(namespace?: string): AsyncGenerator<[string, unknown], void, undefined> {
    for (const [key, value] of this.entries) {
      await this.answer('iterator', () => undefined, undefined);
      if (!namespace || key.startsWith(`${namespace}:`)) yield [key, value];
    }
  }
}

/** The same with the many-at-once methods. */
export class ManyAdapter5 extends Adapter5 {
  async getMany(keys: readonly string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async setMany(items: readonly { key: string; value: unknown }[]): Promise<unknown[]> {
    return Promise.all(items.map(({ key, value }) => this.set(key, value)));
  }

  async deleteMany(keys: readonly string[]): Promise<boolean> {
    return (await Promise.all(keys.map((key) => this.delete(key)))).some(Boolean);
  }
}

/** A storage adapter of Keyv 6: absolute expiry, and an answer for each key. */
export class Adapter6 extends ManyAdapter5 {
  readonly capabilities = { expires: true };

  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined;
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  // @ts-expect-error -- a boolean for each key, where version 5 has one for all
  override async deleteMany(keys: readonly string[]): Promise<boolean[]> {
    return (await Promise.all(keys.map((key) => this.delete(key)))) as boolean[];
  }
}
