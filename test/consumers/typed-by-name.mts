/** Without an import of the backend's package its arguments are free: they are checked when the region is configured. */

import { createRegion } from '@stockpile/core';

export const region = createRegion<number>().configure('lru', { arguments: { maxBytes: true } });
// @ts-expect-error the options of the region itself are typed all the same
region.configure('lru', { expirationTime: true });
region.configure('shm', { arguments: { segment: 1 } });
