/** A package of somebody else that brings the backend `foo`. */

import { CacheBackend, NO_VALUE, registerBackend } from '@stockpile/core';

class FooBackend extends CacheBackend {
  name = 'foo';
  capabilities = new Set(['sync']);
  #items = new Map();

  get(key) {
    return this.#items.get(key) ?? NO_VALUE;
  }

  set(key, item) {
    this.#items.set(key, item);
    return true;
  }

  delete(key) {
    return this.#items.delete(key);
  }
}

registerBackend('foo', () => new FooBackend());
