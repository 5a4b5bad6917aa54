/** The ring: shares, and what moves when servers come and go. */

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Ring } from '../src/ring.js';

const KEYS = Array.from({ length: 20_000 }, (_, i) => `users:key ${i}`);
const members = (...labels: string[]): { label: string; weight: number }[] =>
  labels.map((label) => ({ label, weight: 1 }));
const cluster = (servers: number): string[] => Array.from({ length: servers }, (_, i) => `10.0.0.${i + 1}:11211`);

/** The name of the server of each key. */
function placed(list: readonly { label: string; weight: number }[], keys = KEYS): (string | undefined)[] {
  const ring = new Ring(list);
  return keys.map((key) => list[ring.owner(key)]?.label);
}

function shares(places: readonly (string | undefined)[]): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1 / places.length);
  return counts;
}

describe('shares', () => {
  test.each([2, 3, 4, 5, 8])('of %i servers are within 10 %% of each other', (servers) => {
    for (const share of shares(placed(members(...cluster(servers)))).values()) {
      expect(Math.abs(share * servers - 1)).toBeLessThan(0.1);
    }
  });

  test('follow the weights', () => {
    const found = shares(
      placed([
        { label: 'a:1', weight: 1 },
        { label: 'b:1', weight: 3 },
      ]),
    );
    expect(Math.abs((found.get('b:1') ?? 0) - 0.75)).toBeLessThan(0.05);
  });

  test('of keys that differ at their end only are even as well', () => {
    const keys = Array.from({ length: 4000 }, (_, i) => `session:000000${i}`);
    for (const share of shares(placed(members(...cluster(4)), keys)).values()) {
      expect(Math.abs(share * 4 - 1)).toBeLessThan(0.2);
    }
  });
});

describe('moves', () => {
  test('a fourth server takes about a quarter of the keys, and no other key moves', () => {
    const before = placed(members(...cluster(3)));
    const after = placed(members(...cluster(4)));
    const moved = KEYS.filter((_, i) => before[i] !== after[i]);
    expect(moved.length / KEYS.length).toBeGreaterThan(0.225);
    expect(moved.length / KEYS.length).toBeLessThan(0.275);
    expect(new Set(after.filter((place, i) => place !== before[i]))).toEqual(new Set(['10.0.0.4:11211']));
  });

  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}:[1-9]\d{0,4}$/), { minLength: 2, maxLength: 6 });
  const keys = fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 50 });

  test('the order of the list does not matter', () => {
    fc.assert(
      fc.property(names, keys, (labels, asked) => {
        expect(placed(members(...labels.toReversed()), asked)).toEqual(placed(members(...labels), asked));
      }),
      { numRuns: 30 },
    );
  });

  test('a server that leaves gives its keys away, and keys of the others stay', () => {
    fc.assert(
      fc.property(names, keys, ([gone, ...rest], asked) => {
        const before = placed(members(gone as string, ...rest), asked);
        const after = placed(members(...rest), asked);
        for (const [i, place] of before.entries()) if (place !== gone) expect(after[i]).toBe(place);
      }),
      { numRuns: 30 },
    );
  });

  test('who takes over is who would have the key without the server', () => {
    fc.assert(
      fc.property(names, fc.string({ minLength: 1 }), (labels, key) => {
        const order = [...new Ring(members(...labels)).owners(key)].map((i) => labels[i] as string);
        expect(order.toSorted()).toEqual(labels.toSorted());
        for (let gone = 0; gone < order.length; gone++) {
          expect(placed(members(...order.slice(gone)), [key])).toEqual([order[gone]]);
        }
      }),
      { numRuns: 30 },
    );
  });
});
