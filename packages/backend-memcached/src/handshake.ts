/** What is settled with a server before the first request: who we are, and what it takes. */

import { BackendUnavailableError, type StockpileError } from '@stockpile/core';
import { Call, expectReply, type Limits } from './call.js';
import { memjs } from './memjs.js';
import { OP, STATUS } from './opcodes.js';
import type { Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';
import { statusError } from './statuses.js';

/** Taken off the item size: for the key and memcached's own header. */
const ITEM_OVERHEAD = 512;
/** Of a server that does not tell. */
const DEFAULT_ITEM_BYTES = 2 ** 20;

/** The request is memjs's own, which carries opaque 0. */
export class AuthenticateCall extends Call {
  #status = 0;

  constructor(
    private readonly send: () => void,
    private readonly resolve: () => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(): true {
    this.opaque = 0;
    this.send();
    return true;
  }

  override take(reply: Reply): true {
    expectReply(reply, OP.authenticate);
    this.#status = reply.status;
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status === STATUS.ok) {
      this.settled = true;
      this.resolve();
    } else if (this.#status === STATUS.unknownCommand) {
      this.fail(
        new BackendUnavailableError(`${server}: SASL is off there: start it with -S, or leave out user and password`),
      );
    } else this.fail(statusError(this.#status, server));
  }
}

/** As the server calls them; '' where it does not tell. */
interface Settings {
  cas_enabled: string;
  item_size_max: string;
}

/** Most bytes of a value. Also the sign of life that a probe waits for. */
export class SettingsCall extends Call {
  #status: number = STATUS.ok;
  readonly #settings: Settings = { cas_enabled: '', item_size_max: '' };

  constructor(
    private readonly resolve: (valueBytes: number) => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(out: RequestWriter): true {
    out.raw(memjs.Utils.makeRequestBuffer(OP.stat, 'settings', '', '', this.opaque));
    return true;
  }

  /** One reply for each setting; the last has neither key nor value. */
  override take(reply: Reply): boolean {
    expectReply(reply, OP.stat);
    if (reply.status !== STATUS.ok) {
      this.#status = reply.status;
      return true;
    }
    const { key } = reply;
    if (key in this.#settings) this.#settings[key as keyof Settings] = reply.value.toString('latin1');
    return key === '';
  }

  override finish({ server }: Limits): void {
    if (this.#status === STATUS.authFailed || this.#status === 0x08) {
      this.fail(statusError(this.#status, server));
      return;
    }
    if (this.#settings.cas_enabled === 'no') {
      this.fail(
        new BackendUnavailableError(`${server} was started with -C: without CAS it cannot be used; leave out -C`),
      );
      return;
    }
    this.settled = true;
    this.resolve((Number(this.#settings.item_size_max) || DEFAULT_ITEM_BYTES) - ITEM_OVERHEAD);
  }
}
