/** Regions on the backends that Keyv is to run on, and what they need. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import '@stockpile/backend-memory';
import '@stockpile/backend-redis';
import '@stockpile/backend-shm';
import { createRegion, type Region } from '@stockpile/core';
import { startRedis } from '@stockpile/servers';

export interface Opened {
  readonly region: Region;
  close(): Promise<void>;
}

/** By backend. Each call opens a region on empty storage. */
export const REGIONS: Readonly<Record<string, () => Promise<Opened>>> = {
  memory: async () => {
    const region = createRegion({ name: 'keyv' }).configure('memory', { grace: 0 });
    return { region, close: () => region.close() };
  },
  shm: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'stockpile-interop-'));
    const region = createRegion({ name: 'keyv' }).configure('shm', { grace: 0, arguments: { dir, size: '2M' } });
    return {
      region,
      close: async () => {
        await region.close();
        rmSync(dir, { recursive: true, force: true });
      },
    };
  },
  redis: async () => {
    const server = await startRedis();
    const url = `redis://127.0.0.1:${server.port}`;
    const region = createRegion({ name: 'keyv' }).configure('redis', { grace: 0, arguments: { url } });
    return {
      region,
      close: async () => {
        await region.close();
        await server.stop();
      },
    };
  },
};
