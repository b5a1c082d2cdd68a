// A topology with a step and declared windows, for processes of their own to run.
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';

export default topology('tills', (builder) => {
  builder.stream('sales', json<number>()).process('sold', {
    state: json<number>(),
    each: (amount, { state = 0, setState }) => setState(state + amount),
  });
  windows(builder, 'recent', {
    from: { topic: 'visits', format: 'json', eventTime: 'at' },
    step: '1m',
    lateness: '10m',
    features: { visits_5m: { function: 'count', window: '5m' } },
  }).to('visit-rows', { format: 'json', eventTime: 'at' });
});
