/** An application that uses it. */

import { createRegion, type Region } from '@stockpile/core';
import './register.js';

export function pagesIn(path: string): Region<string> {
  return createRegion<string>({ name: 'pages' }).configure('directory', {
    expirationTime: '10m',
    arguments: { path }, // typed: leaving path out does not compile
  });
}
