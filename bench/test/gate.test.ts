import { expect, test } from '@jest/globals';
import { objections, runGate, type Subject } from '../src/gate.js';

/** A cache with faults to choose. */
function faulty(name: string, { forgets = false, jsonOnly = false, noFlight = false, eternal = false }): Subject {
  return {
    name,
    claimsTypes: true,
    open: (ttlMs, load) => {
      const entries = new Map<string, { value: unknown; until: number }>();
      const flights = new Map<string, Promise<object>>();
      const get = async (key: string): Promise<unknown> => {
        const entry = entries.get(key);
        return entry !== undefined && (eternal || Date.now() < entry.until) ? entry.value : undefined;
      };
      const set = async (key: string, value: object): Promise<void> => {
        const kept = jsonOnly ? JSON.parse(JSON.stringify(value)) : value;
        if (!forgets) entries.set(key, { value: kept, until: Date.now() + ttlMs });
      };
      const create = async (key: string): Promise<object> => {
        const value = await load(key);
        await set(key, value);
        return value;
      };
      const getOrCreate = async (key: string): Promise<unknown> => {
        const found = await get(key);
        if (found !== undefined) return found;
        if (noFlight) return create(key);
        const flight = flights.get(key) ?? create(key).finally(() => flights.delete(key));
        flights.set(key, flight);
        return flight;
      };
      return { get, set, getOrCreate };
    },
  };
}

test('the gate lets a good cache through, and says what is wrong with others', async () => {
  const results = await runGate([
    faulty('good', {}),
    faulty('forgets', { forgets: true }),
    faulty('json', { jsonOnly: true }),
    faulty('stampede', { noFlight: true }),
    faulty('eternal', { eternal: true }),
  ]);
  const said = Object.fromEntries(Object.entries(results).map(([name, result]) => [name, objections(result)]));
  expect(said.good).toBeUndefined();
  expect(said.forgets).toContain("returns what was put: another value for key 'a'");
  expect(said.json).toBe('same types: other types on a hit');
  expect(said.stampede).toMatch(/^one creator: /);
  expect(said.eternal).toBe('ttl: served after its time');
});
