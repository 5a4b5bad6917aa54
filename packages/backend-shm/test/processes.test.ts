/** What holds between processes. Each test has a segment of its own and ends every process that it started. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { Segment, ShardBusyError, type ShmArguments, type ShmBackend } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { killPeers, Peer } from '@stockpile/servers';
import { closeAll, closing, freshName } from './helpers/segments.js';

afterEach(async () => {
  await killPeers();
  await closeAll();
});

const PEER = new URL('./fixtures/peer.mjs', import.meta.url);

/** A region of this process, and as many peers on the same segment as are asked for. */
async function setUp(
  count: number,
  options: ShmArguments = {},
  configuration: object = {},
): Promise<{ region: Region; peers: Peer[]; segment: Segment }> {
  const args: ShmArguments = { segment: freshName(), size: '4M', lifetime: 'processes', ...options };
  const segment = closing(Segment.open({ name: args.segment, size: args.size, lifetime: 'processes' }));
  const region = closing(createRegion({ name: 'shared' }).configure('shm', { ...configuration, arguments: args }));
  const peers = await Promise.all(Array.from({ length: count }, () => Peer.start(PEER)));
  await Promise.all(peers.map((peer) => peer.call('open', args, configuration)));
  return { region, peers, segment };
}

interface Numbered {
  readonly a: number;
  readonly b: number;
}

/** The name in the path `<name>.v1.x64`. */
function segmentOf({ path }: Segment): { name: string } {
  return { name: /([^/]*)\.v\d+\.\w+$/.exec(path)?.[1] as string };
}

test('what one process sets, the others get, and one creates for all', async () => {
  const { region, peers } = await setUp(4);
  await region.set('a', { name: 'Ada' });
  for (const peer of peers) expect(await peer.call('get', 'a')).toEqual({ name: 'Ada' });
  const values = await Promise.all(peers.map((peer, i) => peer.call('quickly', 'b', i)));
  expect(new Set(values).size).toBe(1);
  const created = await Promise.all(peers.map((peer) => peer.call('created')));
  expect(created.sort()).toEqual([0, 0, 0, 1]);
});

test('a creator that is killed is followed by another within 100 ms', async () => {
  const { region, peers } = await setUp(1);
  const [peer] = peers as [Peer];
  void peer.call('create', 'a', 'never').catch(() => {});
  await peer.began('a');
  expect(await region.keyIsLocked('a')).toBe(true);
  const waiting = region.getOrCreate('a', () => Date.now());
  await region.get('a'); // by now it waits
  const killed = Date.now();
  await peer.kill();
  expect(((await waiting) as number) - killed).toBeLessThan(100);
  expect(await region.get('a')).not.toBe(NO_VALUE);
});

test('a worker that waits for a lock gets it from another process at once, not at the next poll', async () => {
  const { region, peers } = await setUp(1);
  const [peer] = peers as [Peer];
  const theirs = peer.call('create', 'a', 'theirs');
  await peer.began('a');
  const ours = region.getOrCreate('a', () => 'ours');
  await peer.call('release');
  expect(await theirs).toBe('theirs');
  expect(await ours).toBe('theirs');
});

test('invalidate() in one process is seen in all others when it returns', async () => {
  const { region, peers } = await setUp(2, { nearCache: true });
  const [one, other] = peers as [Peer, Peer];
  for (let round = 0; round < 20; round++) {
    await region.set('a', round);
    expect(await other.call('get', 'a')).toBe(round);
    await one.call('invalidate', round % 2 === 0 ? {} : { hard: false });
    expect(region.sync.get('a')).toBe(NO_VALUE);
    expect(await other.call('get', 'a')).toBe('NO_VALUE');
  }
  await region.set('b', 'tagged', { tags: ['t'] });
  await region.set('c', 'other');
  await one.call('invalidate', { tags: ['t'] });
  expect(region.sync.getMulti(['b', 'c'])).toEqual([NO_VALUE, 'other']);
});

test('delete() and invalidate() in one process beat a creator that runs in another', async () => {
  const { region, peers } = await setUp(2);
  const [first, second] = peers as [Peer, Peer];
  const outdated = [first.call('create', 'a', 'old'), second.call('create', 'b', 'old')];
  await first.began('a');
  await second.began('b');
  await region.delete('a');
  await region.invalidate();
  await Promise.all([first.call('release'), second.call('release')]);
  expect(await Promise.all(outdated)).toEqual(['old', 'old']);
  expect(await region.get('a')).toBe(NO_VALUE);
  expect(await region.get('b')).toBe(NO_VALUE);
});

test('counters of four processes add up', async () => {
  const { region, peers } = await setUp(4);
  await Promise.all(peers.map((peer) => peer.call('increment', 'hits', 10_000)));
  expect(await region.get('hits')).toBe(40_000);
});

test('a counter is whole however its processes end', async () => {
  const { region, peers, segment } = await setUp(3);
  for (const peer of peers) void peer.call('increment', 'hits', 10_000_000).catch(() => {});
  let seen = 0;
  while (seen < 50_000) {
    await new Promise((resolve) => setImmediate(resolve));
    seen = Number(segment.get('shared:hits') ?? 0);
  }
  for (const peer of peers) await peer.kill();
  const after = Number(await region.get('hits'));
  expect(after).toBeGreaterThanOrEqual(seen);
  expect(await region.increment('hits')).toBe(after + 1);
  expect(segment.stats().wipes).toBe(0);
});

test('a loop that does nothing but read near values sees what another process writes', async () => {
  const { region: near, peers } = await setUp(1, { nearCache: true });
  await near.set('a', 0);
  for (let round = 1; round <= 10; round++) {
    const written = peers[0]?.call('setLater', 'a', round, 20); // once this loop is at full speed
    const end = performance.now() + 900; // within a term, after which the engine would be asked anyway
    let seen: unknown;
    while (seen !== round && performance.now() < end) {
      for (let i = 0; i < 100_000 && seen !== round; i++) seen = near.sync.get('a');
    }
    expect(seen).toBe(round);
    await written;
  }
});

test('the near cache never shows what was overwritten, nor half of it', async () => {
  const { region: near, peers, segment } = await setUp(1, { nearCache: true });
  const [peer] = peers as [Peer];
  const { name } = segmentOf(segment);
  const plain = closing(createRegion<Numbered>({ name: 'shared' }).configure('shm', { arguments: { segment: name } }));
  await near.set('a', { a: 0, b: 0 });
  let churned: unknown;
  void peer.call('churn', 'a', 700).then((rounds) => {
    churned = rounds;
  });
  let reads = 0;
  while (churned === undefined) {
    for (let i = 0; i < 500; i++, reads++) {
      const before = plain.sync.get('a') as Numbered;
      for (let n = 0; n < 3; n++) {
        const seen = near.sync.get('a') as Numbered;
        if (seen.a !== seen.b || seen.a < before.a) {
          throw new Error(`after ${before.a} it shows ${JSON.stringify(seen)}`);
        }
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(reads).toBeGreaterThan(500);
  expect(near.sync.get('a')).toEqual({ a: churned, b: churned });
  for (let i = 0; i < 10; i++) {
    await near.set('b', i);
    for (let n = 0; n < 10; n++) expect(near.sync.get('b')).toBe(i); // now it is near
    await peer.call('set', 'b', `new ${i}`);
    expect(near.sync.get('b')).toBe(`new ${i}`);
    await peer.call('delete', 'b');
    expect(near.sync.get('b')).toBe(NO_VALUE);
  }
  expect(segment.stats().own.nearHits).toBeGreaterThan(0);
});

test('events reach other processes', async () => {
  const { region, peers } = await setUp(1);
  const [peer] = peers as [Peer];
  await peer.call('subscribe', 'shared:');
  await region.set('a', 1);
  await region.increment('n');
  await region.delete('a');
  await region.clear();
  expect([await peer.event(), await peer.event(), await peer.event(), await peer.event()]).toEqual([
    ['set', 'shared:a', false],
    ['set', 'shared:n', false],
    ['delete', 'shared:a', false],
    ['clear', 'shared:', false],
  ]);
});

test('waitFor() in this process ends when another one sets the value', async () => {
  const { region, peers } = await setUp(1);
  const [peer] = peers as [Peer];
  const waiting = region.waitFor('a', { equals: 'ready', timeout: 5000 });
  await peer.call('set', 'a', 'not yet');
  await peer.call('set', 'a', 'ready');
  expect(await waiting).toBe(true);
});

test('a process that is stopped within its own lock stops nobody for long', async () => {
  const { region, peers } = await setUp(1);
  const [peer] = peers as [Peer];
  const theirs = peer.call('create', 'a', 'theirs');
  await peer.began('a');
  peer.signal('SIGSTOP');
  expect(await region.getOrCreate('a', () => 'ours', { lockTimeout: 100 })).toBe('ours');
  expect(await region.get('a')).toBe(NO_VALUE); // the lock is not ours: it was not stored
  await region.delete('a'); // this frees it
  expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  peer.signal('SIGCONT');
  await peer.call('release');
  expect(await theirs).toBe('theirs');
  expect(await region.get('a')).toBe('new');
});

describe('a process that is stopped while it writes', () => {
  /** Stops the peer at random until it is within a write to the only part of the segment. */
  async function stopWithinWrite(peer: Peer, segment: Segment): Promise<Error> {
    for (let round = 0; round < 300; round++) {
      peer.signal('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 2));
      try {
        segment.set('other', 'x');
      } catch (error) {
        return error as Error;
      }
      peer.signal('SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error('it was never stopped within a write');
  }

  async function hammering(): Promise<{ peer: Peer; segment: Segment; region: Region }> {
    const { peers, segment, region } = await setUp(1, { size: '2M' });
    const [peer] = peers as [Peer];
    segment.set('own', 'mine');
    void peer.call('hammer', 'a').catch(() => {});
    while (segment.get('a') === undefined) await new Promise((resolve) => setImmediate(resolve));
    return { peer, segment, region };
  }

  test('does not keep others from reading; their writes say so, and go on afterwards', async () => {
    const { peer, segment } = await hammering();
    const began = performance.now();
    const error = await stopWithinWrite(peer, segment);
    expect(error).toBeInstanceOf(ShardBusyError);
    expect(error.message).toMatch(/segment 'test-.*"other".*has not gone on.*nothing was written.*SIGSTOP/);
    expect(segment.get('own')).toBe('mine');
    expect(segment.get('a')).toBe('x');
    for (let i = 0; i < 10; i++) expect(() => segment.set('own', 'new')).toThrow(ShardBusyError); // at once
    expect(performance.now() - began).toBeLessThan(15_000);
    peer.signal('SIGCONT');
    while (!trySet(segment, 'own', 'new')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(segment.get('own')).toBe('new');
  });

  test('and killed then, leaves everything in order', async () => {
    const { peer, segment } = await hammering();
    await stopWithinWrite(peer, segment);
    await peer.kill();
    while (!trySet(segment, 'own', 'new')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([segment.get('own'), segment.get('a')]).toEqual(['new', 'x']);
    const { wipes, recoveries } = segment.stats();
    expect([wipes, recoveries]).toEqual([0, 1]);
  });

  test('a lock that cannot be given back now is given back later', async () => {
    const { peer, segment, region } = await hammering();
    const mutex = (region.actualBackend as ShmBackend).getMutex('lock');
    const next = (region.actualBackend as ShmBackend).getMutex('lock');
    expect(await mutex.acquire({ wait: 1000 })).toBe(true);
    await stopWithinWrite(peer, segment);
    expect(() => mutex.release()).toThrow(ShardBusyError);
    peer.signal('SIGCONT');
    await peer.kill();
    expect(await next.acquire({ wait: 5000 })).toBe(true);
  });
});

function trySet(segment: Segment, key: string, value: string): boolean {
  try {
    return segment.set(key, value);
  } catch (error) {
    if (error instanceof ShardBusyError) return false;
    throw error;
  }
}

test('the last process to leave removes a segment of lifetime processes, also after one was killed', async () => {
  const { segment, peers, region } = await setUp(1);
  const { name } = segmentOf(segment);
  await peers[0]?.kill();
  segment.close();
  await region.close();
  const again = closing(Segment.open({ name, size: '4M', lifetime: 'processes' }));
  expect(again.created).toBe(true);
});
