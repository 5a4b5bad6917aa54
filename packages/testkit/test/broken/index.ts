/** Backends with one mistake each, and the tests that must find it. */

import { basicsMistakes } from './basics.js';
import { capabilitiesMistakes } from './capabilities.js';
import { countersMistakes } from './counters.js';
import { enumerationMistakes } from './enumeration.js';
import { expiryMistakes } from './expiry.js';
import type { Mistake } from './mistake.js';
import { multiMistakes } from './multi.js';
import { mutexMistakes } from './mutex.js';
import { serialisationMistakes } from './serialisation.js';

export const MISTAKES: readonly Mistake[] = [
  ...basicsMistakes,
  ...multiMistakes,
  ...expiryMistakes,
  ...serialisationMistakes,
  ...mutexMistakes,
  ...countersMistakes,
  ...enumerationMistakes,
  ...capabilitiesMistakes,
];
