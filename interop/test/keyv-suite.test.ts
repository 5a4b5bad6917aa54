/** Keyv's own suite for storage adapters, @keyv/test-suite 2.1.2 for Keyv 5, over regions. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { type RegionStore, regionStore } from '@stockpile/backend-keyv';
import { Keyv } from 'keyv';
import { type Opened, REGIONS } from './regions.js';

/** 22 of the interface, 13 of values, 3 of namespaces, 4 of the iterator. */
const TESTS = 42;

type Body = (context: { expect: typeof expect }) => unknown;

describe.each(Object.keys(REGIONS))('over %s', (name) => {
  let opened: Opened;
  let registered = 0;
  let ran = 0;
  beforeAll(async () => {
    opened = await (REGIONS[name] as () => Promise<Opened>)();
  });
  afterAll(() => opened.close());

  /** What the suite uses of vitest. */
  const vitest = {
    it: (title: string, body: Body) => {
      registered++;
      test(title, async () => {
        ran++;
        await body({ expect });
      });
    },
    beforeEach,
    afterEach,
  };
  const store = (): RegionStore => regionStore(opened.region);

  describe('the suite', () => {
    keyvTestSuite(vitest as never, Keyv, store as never);
  });
  describe('the suite of iterators', () => {
    keyvIteratorTests(vitest as never, Keyv, store as never);
  });

  test(`${TESTS} tests have run`, () => {
    expect({ registered, ran }).toEqual({ registered: TESTS, ran: TESTS });
  });
});
