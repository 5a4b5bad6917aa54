/**
 * The loops around the measured calls. Each contender gets one compiled for it alone: in a shared loop V8 would see many
 * targets at one call, inline none of them, and charge the fast contenders most.
 */

import type { Batch } from './harness.js';
import { keys, SLICE, slices, type Value } from './workload.js';

type Answer = Value | undefined | symbol;

/** Calls that answer with the value of their key; checked. */
export function reads(operation: (key: string, i: number) => Answer): Batch {
  return compile(operation, keys, ids, '', CHECKED);
}

export function awaitedReads(operation: (key: string, i: number) => Promise<Answer>): Batch {
  return compile(operation, keys, ids, 'await', CHECKED);
}

/** Calls for 100 keys that answer with the value of the last. */
export function multiReads(operation: (keys: readonly string[]) => Answer): Batch {
  return compile(operation, slices, lastIds, '', CHECKED);
}

/** Calls for 100 keys that answer with all values; the last is checked. */
export function awaitedMultiReads(operation: (keys: readonly string[]) => Promise<readonly Answer[]>): Batch {
  return compile(operation, slices, lastIds, 'await', `if (answer[${SLICE - 1}].id !== ids[k]) wrong++`);
}

/** Calls whose answer says nothing. */
export function awaitedWrites(operation: (key: string, i: number) => Promise<unknown>): Batch {
  return compile(operation, keys, ids, 'await', 'if (answer === ids) wrong++');
}

type Text = string | Uint8Array | number | undefined;

/** Calls for `inputs` that answer with a text, or with bytes, of `length`. */
export function textReads(
  operation: (key: string, i: number) => Text,
  inputs: readonly string[],
  length: number,
): Batch {
  return compile(operation, inputs, [], '', `if (answer.length !== ${length}) wrong++`);
}

export function awaitedTextReads(
  operation: (key: string, i: number) => Promise<Text | symbol>,
  inputs: readonly string[],
  length: number,
): Batch {
  return compile(operation, inputs, [], 'await', `if (answer.length !== ${length}) wrong++`);
}

/** What some clients put around a value. */
interface Boxed {
  readonly value: Text | null;
}

/** The same, of a client that answers so. */
export function awaitedBoxedReads(
  operation: (key: string, i: number) => Promise<Boxed>,
  inputs: readonly string[],
  length: number,
): Batch {
  return compile(operation, inputs, [], 'await', `if (answer.value.length !== ${length}) wrong++`);
}

type Texts = readonly (Text | symbol | null)[];

/** Calls for 100 keys that answer with all texts, or bytes, of `length`; the last is checked. */
export function awaitedMultiTextReads(
  operation: (keys: readonly string[], i: number) => Promise<Texts>,
  inputs: readonly (readonly string[])[],
  length: number,
): Batch {
  return compile(operation, inputs, [], 'await', `if (answer[${SLICE - 1}].length !== ${length}) wrong++`);
}

/** The same for calls for one key each that are under way together. */
export function atOnce(
  operation: (key: string) => Promise<Text | symbol | null>,
  inputs: readonly (readonly string[])[],
  length: number,
): Batch {
  return awaitedMultiTextReads((some) => Promise.all(some.map((key) => operation(key))), inputs, length);
}

/** The same, of a client that answers with values in boxes. */
export function boxedAtOnce(
  operation: (key: string) => Promise<Boxed>,
  inputs: readonly (readonly string[])[],
  length: number,
): Batch {
  return compile(
    (some: readonly string[]) => Promise.all(some.map((key) => operation(key))),
    inputs,
    [],
    'await',
    `if (answer[${SLICE - 1}].value.length !== ${length}) wrong++`,
  );
}

/** Calls for the keys of a slice whose answer says nothing. */
export function awaitedMultiWrites(operation: (slice: number) => Promise<unknown>): Batch {
  return compile((_: unknown, i: number) => operation(i), slices, [], 'await', 'if (answer === ids) wrong++');
}

/** Calls that answer with true, or with a number above 0. */
export function writes(operation: (key: string, i: number) => boolean | number, inputs: readonly string[]): Batch {
  return compile(operation, inputs, [], '', 'if (!answer) wrong++');
}

/** Calls that are made at once, and awaited together by the promise of the last. */
export function batchedWrites(
  operation: (key: string, i: number) => Promise<boolean>,
  inputs: readonly string[],
): Batch {
  return compile(operation, inputs, [], '', 'if (i === n - 1) return answer.then((stored) => (stored ? 0 : 1))');
}

const CHECKED = 'if (answer.id !== ids[k]) wrong++';
const ids = keys.map((_, i) => i);
const lastIds = slices.map((_, i) => (i + 1) * SLICE - 1);
let compiled = 0;

function compile(
  operation: unknown,
  inputs: readonly unknown[],
  ids: readonly number[],
  wait: '' | 'await',
  check: string,
): Batch {
  const source = `/* ${++compiled}: the same text twice would share its feedback */
    return ${wait && 'async'} (n) => {
      let wrong = 0;
      for (let i = 0, k = 0; i < n; i++) {
        const answer = ${wait} operation(inputs[k], k);
        ${check};
        if (++k === inputs.length) k = 0;
      }
      return wrong;
    }`;
  return new Function('operation', 'inputs', 'ids', source)(operation, inputs, ids) as Batch;
}
