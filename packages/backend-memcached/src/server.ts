/**
 * One memcached server: connects when there is something to ask, keeps the deadlines, and the breaker. Of memjs's
 * `Server` it replaces the connection, the queue and the parser; the SASL handshake is memjs's.
 */

import { connect, type Socket } from 'node:net';
import { CircuitBreaker, type ServerState, type StockpileError } from '@stockpile/core';
import type { Call, Limits } from './call.js';
import { Connection, type ConnectionOwner } from './connection.js';
import type { Generation } from './generations.js';
import { AuthenticateCall, SettingsCall } from './handshake.js';
import { type MemjsServer, memjs } from './memjs.js';
import type { PhysicalNamespace } from './physical-key.js';
import type { ServerAddress } from './server-address.js';
import { ServerGenerations } from './server-generations.js';
import { closedError, overloaded, timedOut, unavailable } from './statuses.js';

/** Of the timeout. Silence is noticed with the first call that is late, which began a little before it was written. */
const TOGETHER = 0.1;
/** Beyond these a server is too slow for what is asked of it: calls fail at once. */
const MOST_CALLS = 100_000;
const MOST_UNSENT_BYTES = 256 * 2 ** 20;
/** ms of silence after which the kernel asks whether the other side still is there. */
const KEEP_ALIVE_MS = 60_000;

const Base: new (host: string, port: number) => MemjsServer = memjs.Server;

export class Server extends Base implements ConnectionOwner {
  readonly label: string;
  readonly breaker: CircuitBreaker;
  readonly #address: ServerAddress;
  readonly #timeout: number;
  #connection: Connection | undefined;
  /** What is to be sent once the handshake is done. */
  #queue: Call[] = [];
  #waitingBytes = 0;
  readonly #generations: ServerGenerations = new ServerGenerations({
    ask: (connection, call) => this.#internal(connection, call),
    release: (connection, call) => {
      if (call.settled) this.#left();
      else this.#write(connection, call);
    },
    fail: (call, error) => {
      call.fail(unavailable(this.label, error));
      this.#left();
    },
  });
  #calls = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #closed = false;
  #drained: (() => void) | undefined;

  constructor(address: ServerAddress, timeout: number) {
    super(address.host ?? address.path ?? '', address.port ?? 0);
    // memjs would take those of its own environment variables
    this.username = address.user;
    this.password = address.password;
    this.label = address.label;
    this.#address = address;
    this.#timeout = timeout;
    this.breaker = new CircuitBreaker({
      backend: 'memcached',
      server: address.label,
      timeout,
      probe: () => this.#probe(),
    });
  }

  get state(): ServerState {
    return this.breaker.state;
  }

  generation(namespace: PhysicalNamespace): Generation {
    return this.#generations.of(namespace);
  }

  /** Sends it, connecting first if need be; it is settled within the timeout, whatever happens. */
  send(call: Call): void {
    call.deadline = Math.min(call.deadline, call.since + this.#timeout);
    if (this.#closed) {
      call.fail(closedError());
      return;
    }
    let probing: Promise<void> | undefined;
    try {
      probing = this.breaker.admit();
    } catch (error) {
      call.fail(error as StockpileError);
      return;
    }
    if (probing === undefined) this.#start(call);
    else {
      probing.then(
        () => (this.#closed ? call.fail(closedError()) : this.#start(call)),
        (error: StockpileError) => call.fail(error),
      );
    }
  }

  /** For those who do not wait for it: asks a server that is down whether it is back. */
  probeIfDue(): void {
    try {
      this.breaker.admit()?.catch(() => {}); // it is still down
    } catch {
      // not yet due
    }
  }

  /** Resolves when nothing is under way any more, which takes a timeout at most. */
  async drain(): Promise<void> {
    this.#closed = true;
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#timeout);
        this.#drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.close();
  }

  override close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.drop(closedError());
  }

  override sock(_sasl: boolean, go: (socket: Socket) => void): void {
    if (this.#connection !== undefined) go(this.#connection.socket);
  }

  answered(): void {
    this.breaker.succeeded();
  }

  completed(call: Call, limits: Limits): void {
    const { generation } = call;
    if (generation === undefined || call.settled || call.written === generation.word) {
      if (!call.settled) call.finish(limits);
      this.#left();
      return;
    }
    // somebody has cleared the namespace, or the word was evicted
    this.#calls--;
    if (call.pinned === undefined) call.again();
    this.#start(call);
  }

  lost(connection: Connection, error: Error, calls: readonly Call[]): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    if (!connection.isReady && !this.#closed) this.breaker.failed(error);
    const waiting = this.#generations.takeWaiting();
    for (const call of [...calls, ...this.#takeQueue(), ...waiting]) {
      call.fail(this.#closed ? closedError() : unavailable(this.label, error));
      this.#left();
    }
  }

  #start(call: Call): void {
    this.#calls++;
    if (this.#calls > MOST_CALLS) {
      call.fail(overloaded(this.label, `${MOST_CALLS} calls are under way`));
      this.#left();
      return;
    }
    this.#arm(call.deadline);
    const connection = this.#connection ?? this.#connect();
    const unsent = connection.unsent + this.#waitingBytes;
    if (unsent > MOST_UNSENT_BYTES) {
      call.fail(overloaded(this.label, `${unsent} bytes are not sent yet`));
      this.#left();
    } else if (connection.isReady) this.#write(connection, call);
    else {
      this.#queue.push(call);
      this.#waitingBytes += call.bytes;
    }
  }

  #takeQueue(): Call[] {
    this.#waitingBytes = 0;
    return this.#queue.splice(0);
  }

  #write(connection: Connection, call: Call): void {
    if (call.generation !== undefined) {
      const verdict = this.#generations.admit(call.generation, call, connection);
      if (verdict === 'waits') return;
      if (verdict === 'lost') {
        call.lost();
        this.#left();
        return;
      }
    }
    connection.send(call);
    if (call.settled) this.#left(); // there was nothing to send
  }

  /** A call of our own: those who wait for it have deadlines. */
  #internal(connection: Connection, call: Call): void {
    this.#calls++;
    connection.send(call);
    if (call.settled) this.#left();
  }

  #left(): void {
    this.#calls--;
    if (this.#calls === 0) this.#drained?.();
  }

  #connect(): Connection {
    const { host, port, path } = this.#address;
    const socket = path === undefined ? connect({ host: host ?? '', port: port ?? 0 }) : connect({ path });
    const connection = new Connection(socket, this.label, this);
    this.#connection = connection;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const timer = setTimeout(() => connection.drop(timedOut(this.label, this.#timeout)), this.#timeout).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => this.#shakeHands(connection, timer));
    return connection;
  }

  #shakeHands(connection: Connection, timer: NodeJS.Timeout): void {
    const refused = (error: Error): void => connection.drop(error);
    const settings = new SettingsCall((valueBytes) => {
      clearTimeout(timer);
      connection.limits = { ...connection.limits, valueBytes };
      connection.isReady = true;
      for (const call of this.#takeQueue()) {
        if (call.settled) this.#left();
        else this.#write(connection, call);
      }
    }, refused);
    const ask = (): void => this.#internal(connection, settings);
    if (this.username === undefined) ask();
    else this.#internal(connection, new AuthenticateCall(() => this.saslAuth(), ask, refused));
  }

  /** Resolves when the server has answered. */
  #probe(): Promise<void> {
    return new Promise((resolve, reject) => {
      const sign = new SettingsCall(() => resolve(), reject);
      sign.deadline = sign.since + this.#timeout;
      this.#start(sign);
    });
  }

  /** One timer for all calls: it is set anew only when it fires, or for one that cannot wait so long. */
  #arm(deadline: number): void {
    if (this.#timer !== undefined && deadline >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    // the socket keeps the process alive, not the timer; and what has arrived is read before it is called late
    this.#timer = setTimeout(
      () => setImmediate(() => this.#expire()),
      Math.max(1, Math.ceil(deadline - performance.now())),
    ).unref();
  }

  /** Fails what is too late, and gives up a connection on which no reply came for a timeout. */
  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    let next = Infinity;
    let isLate = false;
    const look = (call: Call): void => {
      if (call.settled) return;
      if (call.deadline > now) next = Math.min(next, call.deadline);
      else {
        isLate = true;
        call.fail(timedOut(this.label, this.#timeout));
      }
    };
    for (const call of this.#connection?.calls() ?? []) look(call);
    for (const call of this.#queue) look(call);
    for (const call of this.#generations.waiting()) look(call);
    const silentUntil = (this.#connection?.silentSince ?? Infinity) + this.#timeout;
    const slack = isLate ? this.#timeout * TOGETHER : 0;
    if (silentUntil <= now + slack) {
      const error = timedOut(this.label, this.#timeout);
      this.breaker.failed(error);
      this.#connection?.drop(error);
    } else next = Math.min(next, silentUntil);
    if (next < Infinity) this.#arm(next);
  }
}
