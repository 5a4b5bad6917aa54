import { expect, test } from '@jest/globals';
import type { DeleteReason } from '@stockpile/backend-lru';
import { NO_VALUE } from '@stockpile/core';
import fc from 'fast-check';
import { item, noting, TestClock } from './fixtures.js';

test('behaves like a Map in the order of use, bounded in items and bytes, of values with an end', () => {
  const key = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'c');
  const ttl = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Infinity));
  const value = fc.integer({ min: 1, max: 9 });
  const prefix = fc.constantFrom('', 'a', 'b');
  const step = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key, ttl, value }),
    fc.record({ op: fc.constant('get' as const), key }),
    fc.record({ op: fc.constant('delete' as const), key }),
    fc.record({ op: fc.constant('keys' as const), prefix }),
    fc.record({ op: fc.constant('clear' as const), prefix }),
    fc.record({ op: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 15 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), (steps, bounded) => {
      const clock = new TestClock();
      const maxBytes = 12;
      const { backend, left } = noting({
        clock,
        maxBytes,
        sizeOf: (size) => size as number,
        ...(bounded ? { maxItems: 3 } : {}),
      });
      /** Oldest use first; ended entries stay until they are met, as they take room until then. */
      const model = new Map<string, { value: number; end: number }>();
      const gone: [string, unknown, DeleteReason][] = [];
      const leave = (name: string, reason: DeleteReason): void => {
        gone.push([name, model.get(name)?.value, reason]);
        model.delete(name);
      };
      const use = (name: string): number | undefined => {
        const found = model.get(name);
        if (found === undefined) return undefined;
        if (clock.time >= found.end) return void leave(name, 'expire');
        model.delete(name);
        model.set(name, found);
        return found.value;
      };
      const bytes = (): number => [...model.values()].reduce((sum, { value: size }) => sum + size, 0);
      for (const each of steps) {
        if (each.op === 'pass') clock.time += each.ms;
        else if (each.op === 'keys') {
          const live = [...model].filter(([name, { end }]) => name.startsWith(each.prefix) && clock.time < end);
          expect([...backend.keys(each.prefix)]).toEqual(live.map(([name]) => name).reverse());
        } else if (each.op === 'clear') {
          backend.clear(each.prefix);
          for (const [name, { end }] of [...model].reverse()) {
            if (name.startsWith(each.prefix)) leave(name, clock.time < end ? 'clear' : 'expire');
          }
        } else if (each.op === 'get') {
          const found = backend.get(each.key);
          expect(found === NO_VALUE ? undefined : found.value).toBe(use(each.key));
        } else if (each.op === 'delete') {
          const there = use(each.key) !== undefined;
          expect(backend.delete(each.key)).toBe(there);
          if (there) leave(each.key, 'delete');
        } else {
          expect(backend.set(each.key, item(each.value, clock.time), { ttl: each.ttl })).toBe(true);
          model.delete(each.key);
          for (const name of [...model.keys()]) {
            if (bytes() + each.value > maxBytes || (bounded && model.size === 3)) leave(name, 'evict');
          }
          model.set(each.key, { value: each.value, end: clock.time + each.ttl });
        }
        expect(left).toEqual(gone);
      }
      backend.close();
    }),
  );
});
