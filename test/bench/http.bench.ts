// Open Inference Protocol v2 over HTTP: an open loop with keep-alive, single-row requests; beside a peer where one is given.
import { Agent, request } from 'node:http';
import { systemClock } from '../../infra/clock.ts';
import { DEMO_ENDPOINT } from '../../infra/demo/flights.ts';
import { BenchStack, until } from './bench-stack.ts';
import { type Run, finish, percentile, readOptions, rounded, say, tell } from './outcome.ts';
import { demoRequests } from './requests.ts';
import { withTrained } from './trained-stack.ts';

const options = readOptions();
const RATES_PER_S = options.quick ? [200] : [200, 1000];
const WARM_UP_S = 2;
const MEASURED_S = options.quick ? 4 : 10;
const RUNS = options.quick ? 1 : 3;
const CONNECTIONS = 32;
const INPUTS = 33;
const PEER_INPUTS = 30;

interface Target {
  readonly name: string;
  readonly url: string;
  body(index: number): string;
}

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

function post(url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { agent, method: 'POST', headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

async function once({ url, body }: Target, ratePerS: number): Promise<Run> {
  const total = ratePerS * (WARM_UP_S + MEASURED_S);
  const tookMs = new Float64Array(total).fill(Number.NaN);
  const startMs = systemClock.monotonicMs() + 50;
  const answers: Promise<void>[] = [];
  let refused = 0;
  for (let sent = 0; sent < total;) {
    for (; sent < total && startMs + (sent * 1000) / ratePerS <= systemClock.monotonicMs(); sent += 1) {
      const index = sent;
      const intendedMs = startMs + (index * 1000) / ratePerS;
      answers.push(
        post(url, body(index)).then((status) => {
          if (status !== 200) refused += 1;
          tookMs[index] = systemClock.monotonicMs() - intendedMs;
        }),
      );
    }
    await systemClock.sleep(1);
  }
  await Promise.all(answers);
  const sorted = [...tookMs.subarray(ratePerS * WARM_UP_S)].sort((a, b) => a - b);
  return {
    p50_ms: rounded(percentile(sorted, 0.5)),
    p99_ms: rounded(percentile(sorted, 0.99)),
    max_ms: rounded(sorted.at(-1) ?? Number.NaN),
    requests: sorted.length,
    not_200: refused,
  };
}

function targets(base: string): Target[] {
  const requests = demoRequests().slice(0, 2000);
  const fields = ['carrier', 'origin', 'destination', 'tail_number', 'hour', 'minute', 'weekday', 'distance'];
  const textFields = ['carrier', 'origin', 'destination', 'tail_number'];
  const byEntity = requests.map(({ value }) =>
    JSON.stringify({
      inputs: fields.map((name) => ({
        name,
        shape: [1],
        datatype: textFields.includes(name) ? 'BYTES' : 'FP64',
        data: [value[name]],
      })),
    }),
  );
  const tensor = (name: string, width: number): string[] =>
    Array.from({ length: 100 }, (_, row) =>
      JSON.stringify({
        inputs: [
          {
            name,
            shape: [1, width],
            datatype: 'FP32',
            data: Array.from({ length: width }, (_unused, column) => ((row * 7 + column * 3) % 20) / 10),
          },
        ],
      }),
    );
  const [byFeatures, forPeer] = [tensor('input', INPUTS), tensor('x', PEER_INPUTS)];
  const take = (bodies: readonly string[]) => (index: number) => bodies[index % bodies.length] ?? '';
  const infer = `${base}/v2/models/${DEMO_ENDPOINT}/infer`;
  return [
    { name: 'by_entity', url: infer, body: take(byEntity) },
    { name: 'by_features', url: infer, body: take(byFeatures) },
    ...(options.peer === null ? [] : [{ name: 'peer', url: options.peer, body: take(forPeer) }]),
  ];
}

await withTrained(options.trained, async (trained) => {
  const stack = await BenchStack.make(trained, { MILLRACE_TIME: 'live' });
  const variants: Record<string, Run[]> = {};
  try {
    say(`http: single rows at ${RATES_PER_S.join(' and ')} requests/s, ${MEASURED_S} s each, ${RUNS} runs`);
    await (await stack.startLog()).log.close();
    await stack.startRole('lifecycle');
    const gateway = await stack.startRole('gateway');
    const base = `http://127.0.0.1:${stack.settings.httpPort}`;
    await until(
      'a version serves',
      async () => (await fetch(`${base}/v2/models/${DEMO_ENDPOINT}/ready`)).status === 200,
      60_000,
      200,
    );
    for (const ratePerS of RATES_PER_S)
      for (let count = 0; count < RUNS; count += 1)
        for (const target of targets(base)) {
          const cpuBefore = gateway.usage().cpuS;
          const run = await once(target, ratePerS);
          const cpuMs = ((gateway.usage().cpuS - cpuBefore) * 1000) / (ratePerS * (WARM_UP_S + MEASURED_S));
          const whole = target.name === 'peer' ? run : { ...run, gateway_cpu_ms_per_request: rounded(cpuMs) };
          say(`${target.name} at ${ratePerS}/s, run ${count + 1}: ${tell(whole)}`);
          (variants[`${target.name}_at_${ratePerS}_per_s`] ??= []).push(whole);
        }
  } finally {
    agent.destroy();
    await stack.remove();
  }
  finish(options, {
    measures:
      'From the instant at which a request was to be sent (open loop, intended times) to the end of its answer; single rows, JSON tensors, keep-alive connections. by_entity: features are looked up and the prediction is written to its topic before the answer; by_features: the inputs come with the request, nothing is recorded. Client, gateway and broker share the cores.',
    settings: {
      rates_per_s: RATES_PER_S,
      measured_s: MEASURED_S,
      connections: CONNECTIONS,
      peer: options.peer === null ? 'none was given' : options.peerName,
    },
    variants,
  });
});
process.exit(0);
