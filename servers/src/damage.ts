/** What a broken network or a broken server does to the bytes of a reply. Repeatable: the same seed, the same damage. */

/** A number from 0 up to, but not including, `below`. */
export type Random = (below: number) => number;

/** Mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** As many random bytes. */
export function garbage(reply: Buffer, random: Random): Buffer {
  return Buffer.from(reply.map(() => random(256)));
}

const MEMCACHED_REPLY = 0x81;
const HEADER_BYTES = 24;
/** Where a header of memcached's binary protocol holds the length of what follows it. */
const BODY_LENGTH_AT = 8;
const HUGE = 0x7fff_fff0;

/**
 * Every length field is wrong: too short, too long, or absurd. Known are memcached's binary protocol and RESP, told
 * apart by the first byte; the bytes must begin with a reply. RESP's simple replies (`+OK`, `:1`) hold no length and
 * stay as they are.
 */
export function badLengths(reply: Buffer, random: Random): Buffer {
  return reply[0] === MEMCACHED_REPLY ? badHeaders(reply, random) : badPrefixes(reply, random);
}

function badHeaders(reply: Buffer, random: Random): Buffer {
  const damaged = Buffer.from(reply);
  for (let at = 0; at + HEADER_BYTES <= reply.length && reply[at] === MEMCACHED_REPLY; ) {
    const length = reply.readUInt32BE(at + BODY_LENGTH_AT);
    damaged.writeUInt32BE(wrong(length, random), at + BODY_LENGTH_AT);
    at += HEADER_BYTES + length;
  }
  return damaged;
}

/** Of strings, arrays and RESP3's other types with a length; in values as well, if they look like one. */
function badPrefixes(reply: Buffer, random: Random): Buffer {
  const text = reply.toString('latin1');
  const damaged = text.replace(
    /(^|\n)([$*=!%~>])(\d+)(?=\r\n)/g,
    (_, before: string, type: string, length: string) => `${before}${type}${wrong(Number(length), random)}`,
  );
  return Buffer.from(damaged, 'latin1');
}

function wrong(length: number, random: Random): number {
  const choices = [length + 1, length + 1000, HUGE, ...(length > 0 ? [length - 1, 0] : [])];
  return choices[random(choices.length)] ?? HUGE;
}
