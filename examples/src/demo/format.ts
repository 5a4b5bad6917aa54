/** Numbers for people, and colours where they are wanted. */

import { styleText } from 'node:util';

export type Paint = (style: 'bold' | 'dim' | 'green' | 'red', text: string) => string;

/** Paints on a terminal, unless NO_COLOR or TERM=dumb ask for plain text. */
export function painter(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Paint {
  const colours = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
}

/** `12,345` */
export function count(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

/** `1 package`, `2 packages` */
export function plural(number: number, noun: string, nouns = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

/** `205.6 MB`, in powers of ten as disks are sold. */
export function bytes(number: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let rest = number;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`;
}

/** `99.2 %`; rounded down: 100 % means all. */
export function percent(share: number): string {
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

/** `0.4 µs`, `12.3 ms`, `4.2 s`, `3 min 20 s` */
export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1) return `${(ms * 1000).toFixed(1)} µs`;
  if (size < 1000) return `${ms.toFixed(1)} ms`;
  if (size < 99_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${count(Math.trunc(seconds / 60))} min ${Math.abs(seconds % 60)} s`;
}
