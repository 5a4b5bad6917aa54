/** One live line on a terminal; elsewhere a line now and then. */

import { count } from './format.js';

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LIVE_MS = 100;
const ELSEWHERE_MS = 3000;
const BAR_LENGTH = 20;
const CLEAR_LINE = '\r\x1b[2K';

export class Progress {
  #label = '';
  #what = '';
  #started = 0;
  #shown = 0;

  constructor(
    private readonly output: Output,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `what` is being counted: requests, packages. */
  start(label: string, what: string): void {
    this.#label = label;
    this.#what = what;
    this.#started = this.now();
    // a terminal shows the first state at once, a log only what takes long
    this.#shown = this.output.isTTY ? -Infinity : this.#started;
  }

  /** To be called often: it writes rarely. `share`, 0 to 1, is what the bar shows. */
  update(done: number, share: number): void {
    const now = this.now();
    if (now - this.#shown < (this.output.isTTY ? LIVE_MS : ELSEWHERE_MS)) return;
    this.#shown = now;
    const seconds = (now - this.#started) / 1000;
    const rate = seconds > 0 ? `, ${count(done / seconds)}/s` : '';
    this.#line(`${this.#label.padEnd(16)} ${bar(share)} ${count(done)} ${this.#what}${rate}`);
  }

  /** Removes the live line. */
  stop(): void {
    if (this.output.isTTY) this.output.write(CLEAR_LINE);
  }

  #line(text: string): void {
    if (!this.output.isTTY) this.output.write(`${text}\n`);
    else this.output.write(CLEAR_LINE + text.slice(0, Math.max(0, (this.output.columns ?? 80) - 1)));
  }
}

function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_LENGTH);
  return '█'.repeat(filled) + '░'.repeat(BAR_LENGTH - filled);
}
