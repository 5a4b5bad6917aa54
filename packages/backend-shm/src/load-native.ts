/** Finds the native part for this platform, and loads it when it is first needed: importing the package loads nothing. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { UnsupportedPlatformError } from './errors.js';
import type { Native } from './native.js';

/** What a native file is made for. */
export interface Target {
  readonly platform: string;
  readonly arch: string;
  /** `'glibc'` or `'musl'`; `'none'` outside Linux. */
  readonly libc: string;
}

const require = createRequire(import.meta.url);
/** There in a checkout only; the package is published without it. */
const SOURCES = new URL('../native/', import.meta.url);
const BUILDABLE = ['linux-x64', 'linux-arm64'];

let loaded: Native | undefined;

/**
 * The binding to the engine, from the package `@stockpile/backend-shm-<platform>-<arch>-<libc>` where that is
 * installed, else from `prebuilds` of this one.
 * @param target for tests: another platform than this one
 * @throws UnsupportedPlatformError where there is none, or where the system refuses to load it.
 */
export function loadNative(target?: Target): Native {
  if (target !== undefined) return load(target);
  loaded ??= load(currentTarget());
  return loaded;
}

function load(target: Target): Native {
  const { platform, arch, libc } = target;
  const place = fileURLToPath(new URL(`../prebuilds/${platform}-${arch}/${libc}.node`, import.meta.url));
  let refusal: unknown;
  for (const candidate of [`@stockpile/backend-shm-${platform}-${arch}-${libc}`, place]) {
    const path = resolve(candidate);
    if (path === undefined) continue;
    try {
      return require(path) as Native;
    } catch (error) {
      refusal ??= error; // of another system's library, say; the next may do
    }
  }
  throw unsupported(target, refusal, place);
}

function resolve(candidate: string): string | undefined {
  try {
    return require.resolve(candidate);
  } catch {
    return undefined;
  }
}

function currentTarget(): Target {
  const { platform, arch } = process;
  return { platform, arch, libc: platform === 'linux' ? libcOfNode() : 'none' };
}

/** A Node.js that runs on musl has no version of glibc to report. */
function libcOfNode(): string {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean };
  const { excludeNetwork } = report;
  report.excludeNetwork = true; // else it looks up the names of all connections, which takes seconds
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

function unsupported({ platform, arch, libc }: Target, refusal: unknown, place: string): UnsupportedPlatformError {
  const where = `platform ${platform}, cpu ${arch}, libc ${libc}`;
  const isKnown = BUILDABLE.includes(`${platform}-${arch}`);
  const remedies =
    (isKnown && existsSync(SOURCES) ? "in this checkout, 'npm run build' makes it; " : '') +
    "take the backend 'lru', which keeps values in this process, or a backend with a server, such as 'redis'";
  if (refusal === undefined) {
    const missing = isKnown
      ? ` (looked for ${place}); if your code is bundled, leave '@stockpile/backend-shm' out of the bundle ("external")`
      : '';
    return new UnsupportedPlatformError(`backend 'shm' has no native part for ${where}${missing}; ${remedies}`);
  }
  const reason = refusal instanceof Error ? refusal.message : String(refusal);
  return new UnsupportedPlatformError(
    `the native part of backend 'shm' for ${where} does not load here: ${reason}; ${remedies}`,
    { cause: refusal },
  );
}
