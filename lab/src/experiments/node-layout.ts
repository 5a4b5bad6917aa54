/** Damaged, foreign and changed segment files: refused by name with a remedy, or used as they are, but never a crash. */

import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { Segment, type SegmentOptions, unlinkSegment } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import { textOf } from '../processes/checked-value.js';
import { crc32c } from '../processes/crc32c.js';
import { Findings } from '../processes/findings.js';
import { Scene, segmentPath } from '../processes/scene.js';

const HEADER_BYTES = 144;
const CRC_AT = 140;

export const experiment: Experiment = {
  name: 'node-layout',
  describe: 'damaged headers, other layout versions, changed sizes, other geometries, garbage behind a good header',
  async run({ short, log }) {
    const findings = new Findings(log);
    await headers(findings, short ? 1 : 8);
    await geometries(findings);
    await garbage(findings, short ? 6 : 100);
    return findings.outcome(
      `${HEADER_BYTES * (short ? 1 : 8)} bits of the header, 24 other headers and sizes, ${short ? 6 : 100} files with garbage`,
    );
  },
};

interface Refusal {
  readonly code: string;
  readonly message: string;
}

async function headers(findings: Findings, bitsPerByte: number): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const options: SegmentOptions = { name: 'app', size: '1M', dir };
  Segment.open(options).close();
  const path = segmentPath(dir, 'app');
  const good = readFileSync(path);
  const patched = (change: (header: Buffer) => void, withCrc = true): Refusal | 'opened' | 'made anew' => {
    const header = Buffer.from(good.subarray(0, HEADER_BYTES));
    change(header);
    if (withCrc) header.writeUInt32LE(crc32c(header.subarray(0, CRC_AT)), CRC_AT);
    writeAt(path, header);
    try {
      using segment = Segment.open(options);
      segment.set('a', '1');
      return segment.created ? 'made anew' : 'opened';
    } catch (error) {
      return error as Refusal;
    }
  };
  const isClear = (found: Refusal | string, code = 'LAYOUT'): boolean =>
    typeof found === 'object' &&
    found.code === `ERR_STOCKPILE_SHM_${code}` &&
    found.message.includes(path) &&
    (code !== 'LAYOUT' || found.message.includes(`unlinkSegment('app', { dir: '${dir}' })`));
  const tell = (found: Refusal | string): string => (typeof found === 'object' ? found.message : found);

  const unclear: string[] = [];
  for (let at = 0; at < HEADER_BYTES; at++) {
    for (let bit = 0; bit < bitsPerByte; bit++) {
      const mask = 1 << ((at + bit) % 8);
      const found = patched((header) => {
        header[at] = (header[at] as number) ^ mask;
      }, false);
      if (!isClear(found)) unclear.push(`byte ${at}: ${tell(found)}`);
    }
  }
  findings.check(
    `any of ${HEADER_BYTES * bitsPerByte} flipped bits of the header is refused, naming file and remedy`,
    unclear.length === 0,
    unclear.slice(0, 3),
  );

  const version = patched((header) => header.writeUInt32LE(2, 8));
  findings.check('another layout version', isClear(version) && tell(version).includes('layout version'), tell(version));
  const architecture = patched((header) => header.writeUInt32BE(0x01020304, 12));
  findings.check('another byte order', isClear(architecture), tell(architecture));
  const impossible: [name: string, at: number, value: number][] = [
    ['shards 0', 32, 0],
    ['shards 3', 32, 3],
    ['shards 2^31', 32, 2 ** 31],
    ['buckets 0', 36, 0],
    ['buckets 2^31', 36, 2 ** 31],
    ['ghost 2^31', 40, 2 ** 31],
    ['locks 0', 44, 0],
    ['locks 2^31', 44, 2 ** 31],
    ['events 0', 48, 0],
    ['events 2^31', 48, 2 ** 31],
    ['participants 512', 52, 512],
    ['small ring of 1 byte', 56, 1],
    ['main ring of 4 GB', 68, 1],
    ['reserve of 4 GB', 76, 1],
    ['pinned 4 GB', 84, 1],
    ['unknown flags', 20, 0x80],
    ['size 0', 24, 0],
  ];
  const accepted = impossible
    .map(([what, at, value]) => [what, patched((header) => header.writeUInt32LE(value, at))] as const)
    .filter(([, found]) => !isClear(found))
    .map(([what, found]) => `${what}: ${tell(found)}`);
  findings.check(
    `${impossible.length} impossible geometries with a right checksum are refused`,
    accepted.length === 0,
    accepted,
  );
  const namespace = patched((header) => header.writeUInt32LE(7, 128));
  findings.check('another time namespace', isClear(namespace, 'NAMESPACE'), tell(namespace));
  writeAt(path, good.subarray(0, HEADER_BYTES));
  for (const [what, length] of [
    ['cut by a page', good.length - 4096],
    ['cut by a byte', good.length - 1],
    ['cut within the header', 100],
    ['extended by a byte', good.length + 1],
    ['extended by a MB', good.length + 2 ** 20],
  ] as const) {
    truncateSync(path, length);
    const found = patched(() => {});
    findings.check(what, isClear(found), tell(found));
    truncateSync(path, length);
    writeFileSync(path, good);
  }
  // who can be alive from before the machine was started? it is as if it were not there
  const boot = patched((header) => {
    header[112] = (header[112] as number) ^ 1;
  });
  findings.check('of another boot: made anew', boot === 'made anew', tell(boot));
  writeAt(path, Buffer.alloc(HEADER_BYTES));
  unlinkSegment('app', { dir });
  using again = Segment.open(options);
  findings.check('after unlinkSegment the next one makes it', again.created);
}

async function geometries(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const name = 'shared';
  Segment.open({ name, size: '4M', dir }).close();
  const peer = await scene.start('peer');
  await peer.call('open', { segment: name, size: '4M', dir });
  findings.check('the same geometry: no warning', peer.taken('warning').length === 0);
  const other = await scene.start('peer');
  for (let i = 0; i < 3; i++) {
    await other.call('openSegment', { name, size: '16M', lifetime: 'processes', whenFull: 'throw', dir });
    await other.call('segment', 'set', 'a', 'x');
    await other.call('closeSegment');
  }
  const warnings = [await other.event('warning', 2000), ...other.taken('warning')];
  const text = String(warnings[0]?.message);
  findings.check(
    'another one: the existing segment and one warning',
    warnings.length === 1 && ['size', 'lifetime', 'whenFull'].every((word) => text.includes(word)),
    text,
  );
  findings.check('the file is as it was', statSync(segmentPath(dir, name)).size <= 4 * 2 ** 20);
  for (const wish of [{ size: '16M' }, { lifetime: 'processes' }, { whenFull: 'throw' }]) {
    const found = await other.failure('openSegment', { name, dir, strict: true, ...wish });
    findings.check(`strict, ${JSON.stringify(wish)}`, found?.code === 'ERR_STOCKPILE_SHM_GEOMETRY', found?.message);
  }
  findings.check(
    'strict, nothing else asked for',
    (await other.failure('openSegment', { name, dir, strict: true })) === undefined,
  );
}

/** Random bytes in all but the header: entries may be missing, no process may crash or hang. */
async function garbage(findings: Findings, rounds: number): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const ended: string[] = [];
  let [operations, errors, wrong, damaged, slowest] = [0, 0, 0, 0, 0];
  const codes = new Set<string>();
  const untyped: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const name = `g${round}`;
    const maker = Segment.open({ name, size: '1M', dir, whenFull: round % 4 === 3 ? 'throw' : 'evict' });
    for (let i = 0; i < 500; i++) maker.set(`k${i}`, textOf(`k${i}`, i));
    maker.close();
    scribble(segmentPath(dir, name), round);
    const victim = await scene.start('scribbled');
    try {
      const found = await victim.call<{
        operations: number;
        errors: string[];
        wrong: number;
        damaged: number;
        slowest: number;
      }>('use', {
        name,
        dir,
      });
      operations += found.operations;
      errors += found.errors.length;
      wrong += found.wrong;
      damaged += found.damaged;
      for (const code of found.errors) {
        codes.add(code);
        if (!code.startsWith('ERR_STOCKPILE_')) untyped.push(code);
      }
      slowest = Math.max(slowest, found.slowest);
    } catch (error) {
      ended.push(`round ${round}: ${(error as Error).message}`);
    }
    await victim.kill();
    unlinkSegment(name, { dir });
  }
  findings.check(
    `garbage in ${rounds} segments: no crash and no hang in ${operations} operations`,
    ended.length === 0,
    ended.slice(0, 3),
  );
  findings.check('no value of another key', wrong === 0, wrong);
  findings.check('what fails is an error that says what is wrong', untyped.length === 0, untyped.slice(0, 3));
  findings.note(`${damaged} texts were read with the garbage in them: values have no checksum`);
  findings.note(`${errors} operations failed (${[...codes].join(', ')}), the slowest took ${slowest.toFixed(1)} ms`);
}

/** Each round in another way: everything, a part, single bits, or zeros. */
function scribble(path: string, round: number): void {
  const bytes = readFileSync(path);
  const from = 4096;
  const at = (): number => from + Math.floor(Math.random() * (bytes.length - from));
  if (round % 6 === 0) for (let i = from; i < bytes.length; i++) bytes[i] = Math.random() * 256;
  else if (round % 6 === 1) bytes.fill(0, from);
  else if (round % 6 === 2) for (let i = 0; i < 20_000; i++) bytes[at()] = Math.random() * 256;
  else if (round % 6 === 3) for (let i = 0; i < 40; i++) bytes.fill(Math.random() * 256, at(), at());
  else if (round % 6 === 4) bytes.fill(0xff, from);
  // the heads of all shards, where rings begin and end
  else for (let i = 57_344; i < 65_536 && i < bytes.length; i++) bytes[i] = Math.random() * 256;
  writeAt(path, bytes);
}

function writeAt(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
}
