// Orders get the price that held when they were made, then the customer that they name: an invoice changes when the customer does.
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';

export interface Order {
  readonly id: string;
  readonly product: string;
  readonly customer: string;
  readonly count: number;
  /** epoch ms */
  readonly ordered_at: number;
}

interface Priced {
  readonly order: Order;
  readonly total: number;
}

export default topology('priced-orders', ({ stream, table }) => {
  // topics: orders by order, prices by product, customers by customer
  const prices = table('prices', json<{ price: number; from: number }>(), { timeOf: ({ from }) => from });
  const customers = table('customers', json<{ name: string; currency: string }>());
  stream('orders', json<Order>(), { timeOf: (order) => order.ordered_at })
    .keyBy((order) => order.product)
    .asOf('priced', prices, {
      kind: 'inner',
      lateness: '5m',
      join: (order, { price }): Priced => ({ order, total: order.count * price }),
    })
    .keyBy(({ order }) => order.id, json())
    .table()
    .joinForeignKey('invoiced', customers, {
      kind: 'inner',
      lateness: '5m',
      foreignKey: ({ order }) => order.customer,
      join: ({ order, total }, { name, currency }) => ({ order: order.id, total, to: name, currency }),
    })
    .to('invoices', json());
});
