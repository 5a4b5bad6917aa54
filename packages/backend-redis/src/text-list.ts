/** Lists of texts as scripts write them: the length of each in bytes, ':' and itself. */

/** What is not written so ends the list. */
export function readList(bytes: Buffer): string[] {
  const list: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const colon = bytes.indexOf(0x3a, at);
    const size = Number(bytes.toString('latin1', at, colon));
    if (colon < 0 || !Number.isInteger(size) || size < 0) break;
    list.push(bytes.toString('utf8', colon + 1, colon + 1 + size));
    at = colon + 1 + size;
  }
  return list;
}
