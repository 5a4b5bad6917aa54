/**
 * Times as memcached counts them: whole seconds, of which the first may be as short as it likes, since its clock ticks
 * once a second. So it is told one second more, and readers judge the end themselves, to the millisecond.
 */

/** Above this many seconds memcached takes a number for Unix time. */
const LONGEST_RELATIVE = 2_592_000;
/** Unix seconds that the field of 32 bits can hold; later is never. */
const LATEST = 0xffff_ffff;
/** A Unix second long ago: gone at once. */
const PAST = LONGEST_RELATIVE + 1;
/** What never ends. */
export const NEVER = 0;

/** The expiry field for what must live `ttl` ms, at most two seconds longer; as Unix time above 30 days. */
export function expirySeconds(ttl: number, now: number = Date.now()): number {
  if (ttl === Infinity) return NEVER;
  const seconds = Math.max(1, Math.ceil(ttl / 1000)) + 1;
  if (seconds <= LONGEST_RELATIVE) return seconds;
  const end = Math.ceil(now / 1000) + seconds;
  return end > LATEST ? NEVER : end;
}

/** The same for what is to end at `end`, epoch ms. */
export function expirySecondsUntil(end: number, now: number = Date.now()): number {
  return end > now ? expirySeconds(end - now, now) : PAST;
}
