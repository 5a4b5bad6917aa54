/** A hook of node:module: packages that have no ioredis of their own are given that of the benchmark. */

import type { ResolveHook } from 'node:module';

export const resolve: ResolveHook = async (specifier, context, next) => {
  if (specifier !== 'ioredis') return next(specifier, context);
  try {
    return await next(specifier, context);
  } catch {
    return next(specifier, { ...context, parentURL: import.meta.url });
  }
};
