/** Reads package.json, trusting nothing that it says. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** What it cannot do without. */
  readonly required: readonly string[];
  /** What it uses where it is there: optional and peer dependencies. */
  readonly wanted: readonly string[];
}

/** `undefined` where there is no package.json; one that cannot be understood counts as empty. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, 'package.json'), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  const json = parse(text);
  const optional = Object.keys(record(json.optionalDependencies));
  const peers = Object.keys(record(json.peerDependencies));
  const required = Object.keys(record(json.dependencies)).filter((name) => !optional.includes(name));
  return {
    name: typeof json.name === 'string' ? json.name : '(no name)',
    version: typeof json.version === 'string' ? json.version : '(no version)',
    licence: licenceOf(json),
    required,
    wanted: [...optional, ...peers],
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    return record(JSON.parse(text));
  } catch {
    return {};
  }
}

/** As npm writes it today (`license: 'MIT'`), and as it was written before: an object, or a list of them. */
function licenceOf(json: Record<string, unknown>): string {
  const stated = json.license ?? json.licenses;
  const all = (Array.isArray(stated) ? stated : [stated])
    .map((one) => (typeof one === 'string' ? one : record(one).type))
    .filter((one) => typeof one === 'string' && one !== '');
  return all.length === 0 ? 'none stated' : all.join(' OR ');
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
