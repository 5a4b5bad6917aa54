/** Backends by name: registered by the packages that bring them, or found among the application's packages. */

import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import type { ArgumentsOf, BackendFactory } from './backend-arguments.js';
import { show } from './duration.js';
import { UnknownBackendError, ValidationError } from './errors.js';
import { NullBackend } from './null-backend.js';

const REGISTRY = Symbol.for('stockpile.backends');
type Table = Map<string, BackendFactory>;
const shared = globalThis as { [REGISTRY]?: Table };
/** One table in the process, also where two copies of this package are installed. */
const table: Table = shared[REGISTRY] ?? new Map();
shared[REGISTRY] = table;
table.set('null', () => new NullBackend());

/**
 * Makes `name` known to `configure`. Registering a name again replaces it.
 * @example registerBackend('mine', (args, { clock }) => new MyBackend(args, clock));
 * @throws ValidationError for a name that is no text or a factory that is no function.
 */
export function registerBackend<N extends string>(name: N, factory: BackendFactory<ArgumentsOf<N>>): void {
  if (typeof name !== 'string' || !/^[\w.-]+$/.test(name)) {
    throw new ValidationError(
      `registerBackend: a name consists of letters, digits, '.', '_' and '-', not ${show(name)}`,
    );
  }
  if (typeof factory !== 'function') {
    throw new ValidationError(`registerBackend('${name}'): the factory must be a function, not ${show(factory)}`);
  }
  table.set(name, factory as BackendFactory);
}

/** The factory of `name`; loads `@stockpile/backend-<name>` or `stockpile-backend-<name>` if it is not registered. */
export function findBackend(name: string): BackendFactory {
  const known = table.get(name);
  if (known !== undefined) return known;
  // only a plain name becomes part of a package name: never a path
  const packages = /^[a-z0-9][a-z0-9_-]*$/.test(name)
    ? [`@stockpile/backend-${name}`, `stockpile-backend-${name}`]
    : [];
  for (const packageName of packages) {
    load(packageName);
    const loaded = table.get(name);
    if (loaded !== undefined) return loaded;
  }
  throw new UnknownBackendError(
    `no backend is named ${show(name)}; registered: ${[...table.keys()].sort().join(', ')}` +
      (packages.length > 0 ? `; to install one: npm install ${packages[0]}` : ''),
  );
}

/** Requires a package as the application would: seen from its main module, else from its working directory. */
function load(packageName: string): void {
  const roots = [process.argv[1] ?? '', join(process.cwd(), 'package.json')].filter(isAbsolute);
  for (const root of roots) {
    const require = createRequire(root);
    try {
      require.resolve(packageName);
    } catch {
      continue; // not installed here
    }
    require(packageName);
    return;
  }
}
