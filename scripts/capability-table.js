// @ts-check
/**
 * What each backend can do, asked of the backends themselves: no server is needed, since drivers connect when they are
 * used. `node scripts/capability-table.js`, after the build, prints the table; `--write` puts it into the page. A test
 * of the workspace interop fails where the page is out of date.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeyvBackend } from '@stockpile/backend-keyv';
import { LruBackend } from '@stockpile/backend-lru';
import { MemcachedBackend } from '@stockpile/backend-memcached';
import { MemoryBackend } from '@stockpile/backend-memory';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import { RedisBackend } from '@stockpile/backend-redis';
import { ShmBackend } from '@stockpile/backend-shm';
import { createRegion, NullBackend } from '@stockpile/core';

/**
 * @typedef {import('@stockpile/core').CacheBackend | import('@stockpile/core').BytesBackend} Driver
 * @typedef {import('@stockpile/core').Capability} Capability
 * @typedef {object} Row
 * @property {string} title
 * @property {string} meaning
 * @property {(driver: Driver) => string} cell
 */

export const PAGE = fileURLToPath(new URL('../docs/choose-a-backend.md', import.meta.url));
const BEGIN = '<!-- capabilities: made by scripts/capability-table.js -->';
const END = '<!-- end of capabilities -->';

/** @type {Record<Capability, string>} */
const CAPABILITIES = {
  sync: '[`region.sync`](sync.md)',
  ttl: 'entries leave by themselves',
  locks: 'one creator across processes',
  counters: '[`increment`, `decrement`](values.md#counters)',
  compareAndSet: 'drivers and proxies; the region has no method for it',
  enumerate: '[`keys`, `entries`, `size`](keys-and-namespaces.md)',
  clear: '`clear` of the namespace',
  events: '[`subscribe`, `waitFor`](observability.md#key-events)',
};

/** @type {readonly Row[]} */
const ROWS = [
  { title: 'keeps', meaning: 'bytes are serialised values: what comes out is a copy', cell: ({ stores }) => stores },
  ...Object.entries(CAPABILITIES).map(([name, meaning]) => ({
    title: `\`${name}\``,
    meaning,
    cell: (/** @type {Driver} */ driver) => yesOrNo(supports(driver, name)),
  })),
  {
    title: 'locks are fenced',
    meaning: 'who has lost a lock cannot store',
    cell: (driver) => yesOrNo(isFenced(driver)),
  },
  {
    title: 'shared invalidation',
    meaning: '[`invalidate`](invalidation.md) reaches all who use the storage, without `sharedInvalidator()`',
    cell: (driver) => yesOrNo(driver.createInvalidator('region:') !== undefined),
  },
  {
    title: 'can be down',
    meaning: '[circuit breaker](failures.md#a-server-that-is-down), `stats().servers`',
    cell: (driver) => yesOrNo(driver.servers().length > 0),
  },
];

/** Where the instances of one backend differ. */
const DEPENDS = 'by store';

/** @returns {string} the table, in Markdown */
export function capabilityTable() {
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-capabilities-'));
  const backends = openBackends(folder);
  try {
    refuseUnknown(backends.flat());
    const names = backends.map(([first]) => `\`${/** @type {Driver} */ (first).name}\``);
    const rows = ROWS.map(({ title, meaning, cell }) => [
      title,
      ...backends.map((drivers) => {
        const cells = new Set(drivers.map(cell));
        return cells.size === 1 ? /** @type {string} */ ([...cells][0]) : DEPENDS;
      }),
      meaning,
    ]);
    return markdown([['', ...names, 'for'], ...rows]);
  } finally {
    for (const driver of backends.flat()) void driver.close(); // none has asked anybody anything
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} page
 * @returns {string} the page with the table of now
 */
export function withTable(page) {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page lacks the lines ${BEGIN} and ${END}`);
  return `${before}${BEGIN}\n\n${capabilityTable()}\n${END}${after}`;
}

/**
 * For each backend, an instance of each kind that it comes in.
 * @param {string} folder for what is in shared memory
 * @returns {Driver[][]}
 */
function openBackends(folder) {
  const leastAdapter = { get() {}, set() {}, delete() {} };
  return [
    [new MemoryBackend()],
    [new MemoryPickleBackend()],
    [new LruBackend()],
    [new ShmBackend({ segment: 'capabilities', dir: folder, size: '1M', lifetime: 'processes' })],
    [new MemcachedBackend()],
    [new RedisBackend()],
    [new KeyvBackend({ store: new Map() }), new KeyvBackend({ store: leastAdapter })],
    [new NullBackend()],
  ];
}

/**
 * As a region has it: it counts by compareAndSet where the driver cannot count.
 * @param {Driver} driver
 * @param {string} capability
 */
function supports(driver, capability) {
  return createRegion()
    .configure(driver)
    .supports(/** @type {Capability} */ (capability));
}

/** @param {Driver} driver */
function isFenced(driver) {
  const mutex = driver.getMutex('region:key');
  return mutex !== undefined && 'fence' in mutex;
}

/** @param {readonly Driver[]} drivers */
function refuseUnknown(drivers) {
  for (const { name, capabilities } of drivers) {
    const unknown = [...capabilities].find((capability) => !Object.hasOwn(CAPABILITIES, capability));
    if (unknown !== undefined) throw new Error(`'${name}' can '${unknown}', of which this table knows nothing`);
  }
}

/** @param {boolean} answer */
function yesOrNo(answer) {
  return answer ? 'yes' : 'no';
}

/** @param {readonly (readonly string[])[]} rows the first one is the titles */
function markdown(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return `${[lines[0], rule, ...lines.slice(1)].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8')));
  else process.stdout.write(capabilityTable());
}
