/** Makes decoded values safe to hand to several readers. */

/**
 * Freezes plain objects and arrays all the way down. False, and nothing is frozen, where there is anything else that
 * can change: a Map, a Date, a Buffer, a class of its own. Not recursive: data may be nested deeper than the stack.
 */
export function freezePlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function';
  const found = new Set<object>([value]);
  for (const object of found) {
    if (!isPlain(object)) return false;
    for (const inner of Object.values(object)) {
      if (typeof inner === 'object' && inner !== null) found.add(inner);
      else if (typeof inner === 'function') return false;
    }
  }
  for (const object of found) Object.freeze(object);
  return true;
}

/** Of whatever realm: a prototype without a prototype is some `Object.prototype`. */
function isPlain(object: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(object);
  const parent = prototype === null ? null : Object.getPrototypeOf(prototype);
  return parent === null ? !Array.isArray(object) : Array.isArray(object) && Object.getPrototypeOf(parent) === null;
}
