// Visits to a site: a visit ends after half an hour without a click. The topic is keyed by visitor.
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';

export interface Click {
  readonly page: string;
  readonly load_ms: number;
  /** epoch ms */
  readonly clicked_at: number;
}

export default topology('visits', (builder) => {
  builder
    .stream('clicks', json<Click>(), { timeOf: (click) => click.clicked_at })
    .windowed('visit', {
      windows: { kind: 'session', gap: '30m' },
      lateness: '5m',
      features: {
        clicks: { function: 'count' },
        pages: { function: 'distinct_approx', field: 'page' },
        favourites: { function: 'top_k', k: 3, field: 'page' },
        load_ms_p90: { function: 'quantile', q: 0.9, field: 'load_ms' },
      },
    })
    .map(({ key, startMs, endMs, values }) => ({ visitor: key, from: startMs, to: endMs, ...values }))
    .to('visits', json());
});
