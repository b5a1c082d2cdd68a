// Taken as it comes, the order between lanes is free; but each account's rows must follow from each other, and each order counts once.
import { type LogRecord } from '../../streams/log.ts';
import { type Order } from './ledger-application.ts';
import { type OutputCheck } from './workload.ts';
import { Violation } from './world.ts';

interface Row {
  readonly closed?: boolean;
  readonly order?: string;
  /** of orders so far */
  readonly number: number;
  readonly sum: number;
}

export class FollowingCheck implements OutputCheck {
  readonly #topic: string;
  readonly #left: Map<string, Order>;
  readonly #lastOfLane = new Map<string, number>();
  readonly #numberOf: ReadonlyMap<string, number>;
  readonly #open = new Map<string, { count: number; sum: number }>();

  constructor(topic: string, orders: readonly Order[]) {
    this.#topic = topic;
    this.#left = new Map(orders.map((order) => [order.id, order]));
    this.#numberOf = new Map(orders.map(({ id }, index) => [id, index]));
  }

  take({ key, value, offset, partition }: LogRecord): void {
    const account = key?.toString() ?? '';
    const row = JSON.parse(value?.toString() ?? '') as Row;
    const before = this.#open.get(account) ?? { count: 0, sum: 0 };
    const wrong = (why: string): never => {
      throw new Violation(
        `${this.#topic}/${partition} at ${offset}, ${account}: ${JSON.stringify(row)} after ${JSON.stringify(before)}: ${why}`,
      );
    };
    if (row.closed === true) {
      if (row.number !== before.count || row.sum !== before.sum || row.number === 0)
        wrong('does not close what was open');
      this.#open.delete(account);
      return;
    }
    const order = this.#left.get(row.order ?? '');
    if (order?.account !== account) return wrong('an order that is not this account’s, or that was counted before');
    this.#left.delete(order.id);
    if (row.number !== before.count + 1 || row.sum !== before.sum + order.amount) wrong('does not follow');
    this.#open.set(account, { count: row.number, sum: row.sum });
    const lane = `${account} ${order.lane}`;
    const number = this.#numberOf.get(order.id) ?? 0;
    if (number < (this.#lastOfLane.get(lane) ?? -1)) wrong('came behind a later order of the same lane');
    this.#lastOfLane.set(lane, number);
  }

  /** All orders counted, and all accounts closed. */
  get complete(): boolean {
    return this.#left.size === 0 && this.#open.size === 0;
  }

  missing(): string {
    return `${this.#topic}: orders ${[...this.#left.keys()].join(', ')}; open accounts ${[...this.#open.keys()].join(', ')}`;
  }
}
