/** Commands and statuses of memcached's binary protocol, as far as they are used here. */

export const OP = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  delete: 0x04,
  /** Answers only if there is something. */
  getQuietly: 0x09,
  /** Answered when all before it is done: the end of a series of quiet commands. */
  noop: 0x0a,
  stat: 0x10,
  /** Answers only if it failed. */
  setQuietly: 0x11,
  authenticate: 0x21,
} as const;

export const STATUS = {
  ok: 0,
  notFound: 1,
  exists: 2,
  tooLarge: 3,
  invalid: 4,
  notStored: 5,
  authFailed: 0x20,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
} as const;
