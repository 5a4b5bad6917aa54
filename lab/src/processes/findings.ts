/** What an experiment with Node processes found, check by check. */

import type { Outcome } from '../experiment.js';

export class Findings {
  readonly #details: string[] = [];
  readonly #log: (line: string) => void;
  #checks = 0;
  #failures = 0;
  #skipped = '';

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** One line: whether `what` holds, and what was found. */
  check(what: string, holds: boolean, found: unknown = ''): void {
    this.#checks++;
    if (!holds) this.#failures++;
    const text = typeof found === 'string' ? found : JSON.stringify(found);
    this.#line(`${holds ? 'ok  ' : 'FAIL'} ${what}${text === '' ? '' : `: ${text}`}`);
  }

  /** A number or a remark that decides nothing. */
  note(text: string): void {
    this.#line(`     ${text}`);
  }

  skip(what: string, reason: string): void {
    this.#skipped ||= reason;
    this.#line(`skip ${what}: ${reason}`);
  }

  /** `injected`: what was done to the processes, and how often; what came of it, in numbers. */
  outcome(injected: string): Outcome {
    const details = this.#details;
    if (this.#checks === 0) return { verdict: 'skipped', summary: this.#skipped, details };
    const checks = `${this.#checks} checks${this.#skipped === '' ? '' : `, not all: ${this.#skipped}`}`;
    const failed = this.#failures > 0 ? ` | ${this.#failures} failed` : '';
    return {
      verdict: this.#failures > 0 ? 'fail' : 'pass',
      summary: `${injected} | ${checks}${failed}`,
      details,
    };
  }

  #line(text: string): void {
    this.#details.push(text);
    this.#log(text);
  }
}
