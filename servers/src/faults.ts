/** The ways in which a network or a server fails. */

/** Every fault: what a table of faults × backends goes through. */
export const FAULTS = [
  'refuse',
  'reset',
  'blackHole',
  'halfAnswer',
  'drip',
  'garbage',
  'badLengths',
  'fin',
  'finAfterHalf',
] as const;

/**
 * What happens to the connections, those that are open and those to come:
 *
 * - `pass`: nothing.
 * - `refuse`: nobody listens; open ones are reset.
 * - `reset`: new ones are taken and reset at once; open ones are reset.
 * - `blackHole`: they open and stay open, but nothing passes, in neither direction.
 * - `halfAnswer`: requests pass; of the next reply the first half, then nothing more.
 * - `drip`: requests pass; replies come as one byte each 100 ms.
 * - `garbage`: requests pass; each reply becomes as many random bytes.
 * - `badLengths`: requests pass; the length fields in replies are wrong (memcached's binary protocol, RESP).
 * - `fin`: closed in order (FIN) as soon as a request arrives. The server does not see the request.
 * - `finAfterHalf`: requests pass; of the next reply the first half, then FIN.
 *
 * A reply is what the server sends at once; a long one may be several.
 *
 * Healing does what a network does. Connections that were reset or closed stay so: the client opens new ones. All
 * others live on: bytes that were held (`blackHole`, `halfAnswer`, `drip`) arrive late, but complete and in order, as
 * when TCP retransmits them; bytes that were damaged (`garbage`, `badLengths`) stay so, and right ones follow.
 */
export type Fault = 'pass' | (typeof FAULTS)[number];
