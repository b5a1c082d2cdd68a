// How a client's requests get to the broker and its answers back, and how they are repeated while the broker is away.
import { type Clock } from '../clock.ts';
import { BrokerError, failureOf } from './broker-error.ts';
import { type MemoryBroker } from './memory-broker.ts';

export interface Network {
  /**
   * Carries one request to the broker and its answer back. May take its time, deliver twice, or fail with a BrokerError
   * `unreachable`, before or after the broker has handled the request.
   */
  call<T>(doing: string, handle: () => T | Promise<T>): Promise<T>;
}

export const directNetwork: Network = { call: async (_doing, handle) => handle() };

const RETRY_STEP_MS = 50;
/** For what is only a moment away: a transaction that is just being completed. */
const QUICK_STEP_MS = 20;

export class BrokerCalls {
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  readonly #network: Network;
  readonly #retryForMs: number;
  #closed = false;

  constructor(broker: MemoryBroker, clock: Clock, network: Network, retryForMs: number) {
    this.broker = broker;
    this.clock = clock;
    this.#network = network;
    this.#retryForMs = retryForMs;
  }

  /** @throws BrokerError */
  once<T>(doing: string, handle: (broker: MemoryBroker) => T | Promise<T>): Promise<T> {
    return this.#network.call(doing, () => handle(this.broker));
  }

  /** Repeats the request until it is answered. Only for requests that may be repeated. @throws Failure */
  async retrying<T>(doing: string, handle: (broker: MemoryBroker) => T | Promise<T>): Promise<T> {
    const untilMs = this.clock.monotonicMs() + this.#retryForMs;
    for (;;) {
      try {
        return await this.once(doing, handle);
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        if (!error.retriable) throw failureOf(error, doing);
        if (this.#closed || this.clock.monotonicMs() > untilMs)
          throw failureOf(new BrokerError('unreachable', error.message), doing);
        await this.clock.sleep(error.code === 'concurrent_transactions' ? QUICK_STEP_MS : RETRY_STEP_MS);
      }
    }
  }

  close(): void {
    this.#closed = true;
  }
}
