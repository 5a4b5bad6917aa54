/** registerBackend: the table of names. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type BackendFactory, createRegion, registerBackend } from '@stockpile/core';
import { findBackend } from '../src/registry.js';

const VALIDATION = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' });

describe('registerBackend', () => {
  test('makes a name known to configure', () => {
    const backend = new MemoryBackend();
    registerBackend('registry-own', () => backend);
    expect(createRegion().configure('registry-own').actualBackend).toBe(backend);
  });

  test('called again replaces the factory, for regions that are configured later', () => {
    const [first, second] = [new MemoryBackend(), new MemoryBackend()];
    registerBackend('registry-twice', () => first);
    const region = createRegion().configure('registry-twice');
    registerBackend('registry-twice', () => second);
    expect(region.backend).toBe(first);
    expect(createRegion().configure('registry-twice').backend).toBe(second);
  });

  test.each([[''], ['a b'], ['a/b'], ['../a'], ['a\n'], [5], [undefined], [Symbol('a')]])('%p is no name', (name) => {
    expect(() => registerBackend(name as string, () => new MemoryBackend())).toThrow(VALIDATION);
  });

  test.each([[undefined], [new MemoryBackend()], ['memory']])('%p is no factory', (factory) => {
    expect(() => registerBackend('registry-bad', factory as unknown as BackendFactory)).toThrow(VALIDATION);
    expect(() => findBackend('registry-bad')).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_UNKNOWN_BACKEND' }),
    );
  });

  test('a second copy of the package shares the table', async () => {
    registerBackend('registry-shared', () => new MemoryBackend());
    let copy: typeof import('../src/registry.js') | undefined;
    await jest.isolateModulesAsync(async () => {
      copy = await import('../src/registry.js');
    });
    expect(copy?.registerBackend).not.toBe(registerBackend);
    expect(copy?.findBackend('registry-shared')).toBe(findBackend('registry-shared'));
  });
});
