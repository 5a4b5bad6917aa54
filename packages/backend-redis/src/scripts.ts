/**
 * What has to happen in one step on the server, in Lua.
 *
 * A write by the user frees the lock of its key in the same step, so that whoever is creating loses it; a fenced store
 * looks whether the lock is still its own. Each writes its event in the same step too: so events of a key come in the
 * order of its writes. One message per script, however many keys: told to nobody it costs next to nothing.
 */

import { createHash } from 'node:crypto';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** Whether a script for so many keys can answer so. Scripts answer with no lists: their length could not be checked. */
type Check = (reply: unknown, keyCount: number) => boolean;

const checks = new Map<string, Check>();

/** `name`: what EVALSHA or EVAL was given. Scripts of others may answer as they like. */
export function isScriptAnswer(name: string, keyCount: number, reply: unknown): boolean {
  return checks.get(name)?.(reply, keyCount) ?? true;
}

const isCount: Check = (reply, keyCount) => typeof reply === 'number' && reply >= 0 && reply <= keyCount;
const isText: Check = (reply) => Buffer.isBuffer(reply);
const isTextOrNull: Check = (reply) => reply === null || Buffer.isBuffer(reply);

/** Messages: kind and origin, then each key as its length in bytes, ':' and itself. */
const TELL = `
local function tell(channel, kind, origin, keys)
  if channel == '' then return end
  local parts = { kind .. origin }
  for i = 1, #keys do parts[i + 1] = #keys[i] .. ':' .. keys[i] end
  redis.call('PUBLISH', channel, table.concat(parts))
end`;

/** false where there is nothing, or something that is not ours. */
const GET = `
local function get(key)
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and value
end`;

const SET = `
local function set(key, value, ttl)
  if ttl == '' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', ttl) end
end`;

/**
 * KEYS: n entries, their n locks. ARGV: ttl ('' for none), events channel, unlock channel, origin, n values, and n guards
 * if any is fenced: a lock must begin with its guard, '' needs none. Answers with '1' for each that was stored, '0' for others.
 */
export const STORE: Script = script(
  `${TELL}${SET}
local n = #KEYS / 2
local guarded = #ARGV > 4 + n
local stored, locks, answer = {}, {}, {}
for i = 1, n do
  local guard = guarded and ARGV[4 + n + i] or ''
  local holder = guard ~= '' and redis.call('GET', KEYS[n + i])
  if guard == '' or (holder and string.sub(holder, 1, #guard) == guard) then
    set(KEYS[i], ARGV[4 + i], ARGV[1])
    stored[#stored + 1] = KEYS[i]
    locks[#locks + 1] = KEYS[n + i]
    answer[i] = '1'
  else
    answer[i] = '0'
  end
end
if #stored > 0 then
  local freed = redis.call('DEL', unpack(locks))
  tell(ARGV[2], 's', ARGV[4], stored)
  if freed > 0 then tell(ARGV[3], 'u', ARGV[4], stored) end
end
return table.concat(answer)`,
  (reply, keyCount) => isText(reply, keyCount) && (reply as Buffer).length === keyCount / 2,
);

/** KEYS: n entries, their n locks. ARGV: events channel, unlock channel, origin. Answers with how many were there. */
export const REMOVE: Script = script(
  `${TELL}
local n = #KEYS / 2
local gone = {}
for i = 1, n do
  if redis.call('UNLINK', KEYS[i]) == 1 then gone[#gone + 1] = KEYS[i] end
end
local freed = redis.call('DEL', unpack(KEYS, n + 1))
if #gone > 0 then tell(ARGV[1], 'd', ARGV[3], gone) end
if freed > 0 then tell(ARGV[2], 'u', ARGV[3], { unpack(KEYS, 1, n) }) end
return #gone`,
  isCount,
);

/**
 * KEYS: entry, lock. ARGV: what to add (float64), value of an absent entry, ttl, events channel, unlock channel, origin.
 * Answers with the sum (float64); '' where the value was absent; false where it is no counter.
 */
export const INCREMENT: Script = script(
  `${TELL}${GET}${SET}
local value = get(KEYS[1])
local sum = ''
if value then
  if #value < 22 or string.byte(value, 1) ~= 161 or math.floor(string.byte(value, 2) / 8) ~= 1 then return false end
  sum = struct.pack('<d', struct.unpack('<d', value, #value - 7) + struct.unpack('<d', ARGV[1]))
  redis.call('SETRANGE', KEYS[1], #value - 8, sum)
else
  set(KEYS[1], ARGV[2], ARGV[3])
end
tell(ARGV[4], 's', ARGV[6], { KEYS[1] })
if redis.call('DEL', KEYS[2]) > 0 then tell(ARGV[5], 'u', ARGV[6], { KEYS[1] }) end
return sum`,
  (reply) => reply === null || (Buffer.isBuffer(reply) && (reply.length === 0 || reply.length === 8)),
);

/**
 * KEYS: entry, lock. ARGV: '1' if something is expected, what, new value, ttl ('' none, 'keep'), events channel, unlock
 * channel, origin. Answers with 1 if it was stored.
 */
export const COMPARE_AND_SET: Script = script(
  `${TELL}${GET}${SET}
local value = get(KEYS[1])
if ARGV[1] == '1' then
  if value ~= ARGV[2] then return 0 end
elseif value then
  return 0
end
if ARGV[4] == 'keep' then redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL') else set(KEYS[1], ARGV[3], ARGV[4]) end
tell(ARGV[5], 's', ARGV[7], { KEYS[1] })
if redis.call('DEL', KEYS[2]) > 0 then tell(ARGV[6], 'u', ARGV[7], { KEYS[1] }) end
return 1`,
  isCount,
);

/**
 * KEYS: lock. ARGV: token, lease in ms. Answers with the fence if the lock was free: the server's clock in microseconds,
 * which grows from holder to holder unless that clock is set back. The lock holds 'fence:token'.
 */
export const ACQUIRE: Script = script(
  `
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local time = redis.call('TIME')
local fence = time[1] .. string.format('%06d', time[2])
redis.call('SET', KEYS[1], fence .. ':' .. ARGV[1], 'PX', ARGV[2])
return fence`,
  isTextOrNull,
);

/** KEYS: lock. ARGV: 'fence:token', lease in ms. Answers with 1 if it still is ours. */
export const RENEW: Script = script(
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  isCount,
);

/**
 * KEYS: lock. ARGV: 'fence:token' or its end, unlock channel, origin, the entry's key. Answers with 1 if it still was
 * ours.
 */
export const RELEASE: Script = script(
  `${TELL}
local holder = redis.call('GET', KEYS[1])
if not holder or string.sub(holder, -#ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
tell(ARGV[2], 'u', ARGV[3], { ARGV[4] })
return 1`,
  isCount,
);

/** Tags beyond this are forgotten by halves: what carried them then counts by the time of the newest that was dropped. */
const MOST_TAGS = 5000;

/**
 * KEYS: the times of a region, a hash: 'h' and 's' for hard and soft invalidation of all, 'h:tag' and 's:tag' by tag.
 * ARGV: channel, epoch ms, then fields. Each gets that time, or 1 ms after the newest there is: others may have dated
 * writes after that one, ahead of the clock. Answers with the time, and tells subscribers.
 */
export const INVALIDATE: Script = script(
  `
local times = redis.call('HGETALL', KEYS[1])
local at = tonumber(ARGV[2])
for i = 2, #times, 2 do at = math.max(at, tonumber(times[i]) + 1) end
local text = string.format('%.17g', at)
local told = { text }
for i = 3, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], text)
  told[#told + 1] = ARGV[i]
  if ARGV[i] == 'h' then redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'h', text) end
  if ARGV[i] == 's' then
    for j = 1, #times, 2 do if string.sub(times[j], 1, 2) == 's:' then redis.call('HDEL', KEYS[1], times[j]) end end
  end
end
if redis.call('HLEN', KEYS[1]) > ${MOST_TAGS} then
  for _, kind in ipairs({ 'h', 's' }) do
    local found = {}
    for j = 1, #times, 2 do
      if string.sub(times[j], 1, 2) == kind .. ':' then found[#found + 1] = { times[j], tonumber(times[j + 1]) } end
    end
    table.sort(found, function(a, b) return a[2] < b[2] end)
    local half = math.floor(#found / 2)
    for j = 1, half do redis.call('HDEL', KEYS[1], found[j][1]) end
    if half > 0 then
      local most = math.max(found[half][2], tonumber(redis.call('HGET', KEYS[1], kind) or '-1'))
      redis.call('HSET', KEYS[1], kind, string.format('%.17g', most))
    end
  end
end
redis.call('PUBLISH', ARGV[1], cjson.encode(told))
return text`,
  isText,
);

/** KEYS: the times of a region. ARGV: field, time, … Adds what others have lost, by an eviction. */
export const RESTORE: Script = script(
  `
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '-1') < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end`,
  (reply) => reply === null,
);

/** KEYS: the times of a region. Answers with its fields and times, as JSON. */
export const TIMES: Script = script(
  `
return cjson.encode(redis.call('HGETALL', KEYS[1]))`,
  isText,
);

/** ARGV: as SCAN takes them. Answers with the next cursor and the keys, each after its length, as `readList` takes it. */
export const PAGE: Script = script(
  `
local page = redis.call('SCAN', unpack(ARGV))
local parts = { #page[1] .. ':' .. page[1] }
for i, key in ipairs(page[2]) do parts[i + 1] = #key .. ':' .. key end
return table.concat(parts)`,
  isText,
);

function script(lua: string, check: Check): Script {
  const sha = createHash('sha1').update(lua).digest('hex');
  checks.set(sha, check);
  checks.set(lua, check);
  return { lua, sha };
}
