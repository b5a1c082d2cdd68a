// What each customer has open: orders are a table, grouped by customer; an order that is paid leaves its group, and so does one that
// goes to another customer. A customer with nothing open any more is deleted from the result.
import { json } from '../../streams/builder/format.ts';
import { record } from '../../streams/builder/record-format.ts';
import { topology } from '../../streams/builder/topology.ts';

const order = record({ customer: 'text', amount: 'number', status: 'text', changed_at: 'integer' });

export default topology('open-orders', ({ table }) => {
  // topics: orders by order
  table('orders', order, { timeOf: ({ changed_at }) => changed_at })
    .groupBy(({ customer, status }) => (status === 'open' ? customer : null))
    .aggregate('per-customer', {
      lateness: '5m',
      features: {
        orders: { function: 'count' },
        amount: { function: 'sum', field: 'amount' },
      },
    })
    .to('open-orders', json());
});
