/** Configuration from flat text: environment variables, an INI file. */

import { show } from './duration.js';
import { ValidationError } from './errors.js';
import type { ConfigureOptions } from './options.js';

const DURATIONS = ['expirationTime', 'grace', 'timeout', 'errorTtl', 'lockTimeout', 'creatorTimeout'];
const BOOLEANS = ['failOpen', 'replaceExistingBackend', 'background', 'earlyRefresh'];
const TEXTS = ['stale', 'onLockTimeout'];
const OBJECTS = ['wrap', 'regionInvalidator', 'shouldCache'];

export interface FlatConfiguration {
  readonly backend: string;
  readonly options: ConfigureOptions;
}

/**
 * Reads `<prefix>backend`, `<prefix>expirationTime`, `<prefix>arguments.url`, … from `config`. Texts are read as the
 * option's type; other values pass untouched; unknown keys are left alone.
 */
export function readConfiguration(config: Readonly<Record<string, unknown>>, prefix: string): FlatConfiguration {
  const dotted = prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
  const backend = config[`${dotted}backend`];
  if (typeof backend !== 'string' || backend === '') {
    throw new ValidationError(
      `configureFromConfig: '${dotted}backend' is missing; it names the backend, as in configure`,
    );
  }
  const options: Record<string, unknown> = {};
  const given = (name: string): unknown => config[dotted + name];
  for (const name of DURATIONS) options[name] = durationOf(given(name));
  for (const name of BOOLEANS) options[name] = booleanOf(given(name), dotted + name);
  for (const name of [...TEXTS, ...OBJECTS]) options[name] = given(name);
  const stale = given('serveStaleOnError');
  options.serveStaleOnError = typeof stale === 'string' && isBoolean(stale) ? booleanOf(stale, '') : durationOf(stale);
  for (const [name, value] of Object.entries(options)) if (value === undefined) delete options[name];
  options.arguments = argumentsOf(config, `${dotted}arguments.`);
  return { backend, options };
}

function argumentsOf(config: Readonly<Record<string, unknown>>, prefix: string): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    if (!name.startsWith(prefix)) continue;
    const argument = typeof value === 'string' ? argumentOf(value) : value;
    if (argument !== undefined) read[name.slice(prefix.length)] = argument;
  }
  return read;
}

/** A number only where it prints back as the same text: `'007'`, `'+1'` and integers past 2^53 stay text. */
function argumentOf(text: string): unknown {
  if (isBoolean(text)) return text.toLowerCase() === 'true';
  if (text === 'None' || text === 'null') return undefined;
  const number = Number(text);
  const isExact = text !== '' && Number.isFinite(number) && String(number) === text;
  return isExact && !(Number.isInteger(number) && !Number.isSafeInteger(number)) ? number : text;
}

/** `'600'` is 600 ms; texts with a unit are for the option's own parser. */
function durationOf(value: unknown): unknown {
  return typeof value === 'string' && (/^\d+(\.\d+)?$/.test(value) || value === 'Infinity') ? Number(value) : value;
}

function isBoolean(text: string): boolean {
  return /^(true|false)$/i.test(text);
}

function booleanOf(value: unknown, name: string): unknown {
  if (typeof value !== 'string') return value;
  if (isBoolean(value)) return value.toLowerCase() === 'true';
  throw new ValidationError(`configureFromConfig: '${name}' must be 'true' or 'false', not ${show(value)}`);
}
