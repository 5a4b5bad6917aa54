/** Segments for tests: each test its own, removed when it ends. */

import { randomUUID } from 'node:crypto';
import { ShmBackend, type ShmOptions } from '@stockpile/backend-shm';

/** A name that no other test, and no other run, has. */
export function freshName(): string {
  return `test-${randomUUID()}`;
}

const opened: { close(): unknown }[] = [];

/** A backend on a segment of its own, or on that of `options.segment`; closed by `closeAll`. */
export function openBackend(options: ShmOptions = {}): ShmBackend {
  return closing(new ShmBackend({ segment: freshName(), size: '4M', lifetime: 'processes', ...options }));
}

/** Has `closeAll` close it. */
export function closing<T extends { close(): unknown }>(resource: T): T {
  opened.push(resource);
  return resource;
}

export async function closeAll(): Promise<void> {
  for (const resource of opened.splice(0).reverse()) await resource.close();
}
