/** Real servers with what can be done to them, between an experiment and the driver of its child process. */

import type { Fault } from '@stockpile/servers';
import type { OutageTask } from './task.js';

export interface Stage extends AsyncDisposable {
  /** For the driver. */
  readonly args: OutageTask['args'];
  /** Once it resolves, the fault is in force. */
  inject(trouble: Trouble): Promise<void>;
  /** Once it resolves, the servers could do their work again. */
  heal(): Promise<void>;
  /** Connections that were ever opened, where something counts them. */
  connections?(): number;
}

/** What happens on the way, and what happens to the server itself. */
export type Trouble = ProxyTrouble | ServerTrouble;

/** `flap`: connections are lost again and again, in one way or another, and made again in between. */
export type ProxyTrouble = Exclude<Fault, 'pass'> | 'flap';

/** `restart`: at once, empty. `pause`: SIGSTOP. `kill`: SIGKILL, and started again by healing. */
export type ServerTrouble = 'restart' | 'pause' | 'kill';
