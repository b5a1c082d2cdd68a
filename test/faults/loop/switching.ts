// While requests come in: a second version is trained, promoted and rolled back, each by one command. And definitions that change.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { demoCodecs } from '../../../infra/demo/demo.ts';
import { FlightYear } from '../../../infra/demo/flights.ts';
import { EventFollower } from '../../../infra/event-follower.ts';
import { type Event } from '../../../schemas/codec.ts';
import { type Prediction } from '../../../schemas/events.generated.ts';
import { type Platform } from '../platform.ts';
import { QUICK_SAMPLE, UNTIL } from '../storm.ts';

const ENDPOINT = 'flight-delay';
const REQUESTS_TOPIC = `${ENDPOINT}.requests`;
const PREDICTIONS_TOPIC = `${ENDPOINT}.predictions`;
const PREFIX = 'switching-';
const DAY_MS = 86_400_000;
const WITHIN_MS = 90_000;
/** Requests come in groups, as a busy producer sends them. */
const GROUP = 10;
const PAUSE_MS = 20;
const LOOK_MS = 50;

interface Seen {
  readonly partition: number;
  readonly prediction: Prediction;
}

/** Follows the lifecycle, the statistics and the predictions, and waits for what a test is waiting for. */
class Watcher {
  readonly events: Event[] = [];
  /** live predictions of this test's requests, in the order of each partition */
  readonly live: Seen[] = [];
  readonly #connections;
  readonly #follower: EventFollower;

  constructor(platform: Platform) {
    this.#connections = platform.connect();
    this.#follower = new EventFollower(this.#connections.log, this.#connections.codec, (event, { partition }) => {
      this.events.push(event);
      if (event.name === 'Prediction' && event.value.purpose === 'live' && event.value.request_id.startsWith(PREFIX))
        this.live.push({ partition, prediction: event.value });
    });
  }

  start(): Promise<void> {
    return this.#follower.start(['millrace.lifecycle', 'millrace.statistics', PREDICTIONS_TOPIC], assert.ifError);
  }

  async until(what: string, isThere: () => boolean): Promise<void> {
    const untilMs = performance.now() + WITHIN_MS;
    while (!isThere()) {
      assert.ok(
        performance.now() < untilMs,
        `${what} did not happen; the last events: ${this.events
          .slice(-5)
          .map(({ name }) => name)
          .join(', ')}`,
      );
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Versions that the newest prediction of each partition came from. */
  newestVersions(): number[] {
    const newest = new Map(this.live.map(({ partition, prediction }) => [partition, prediction.version]));
    return [...newest.values()];
  }

  async stop(): Promise<void> {
    await this.#follower.stop();
    await this.#connections.log.close();
  }
}

/** Requests of flights of the slice's last day, asked anew under other names until it is stopped. */
class Producing {
  produced = 0;
  readonly #done: Promise<void>;
  #stopped = false;

  constructor(platform: Platform) {
    this.#done = this.#run(platform);
  }

  async #run(platform: Platform): Promise<void> {
    const connections = platform.connect();
    const codec = (await demoCodecs(connections)).get(REQUESTS_TOPIC) ?? assert.fail();
    const untilMs = Date.parse(UNTIL);
    const events = new FlightYear().events({ sample: QUICK_SAMPLE, fromMs: untilMs - DAY_MS, untilMs });
    const requests = [...events.slice(0, events.length)].filter(({ topic }) => topic === REQUESTS_TOPIC);
    const writer = connections.log.writer();
    while (!this.#stopped) {
      const group = Array.from({ length: GROUP }, () => {
        const { value } = requests[this.produced % requests.length] ?? assert.fail();
        const id = `${PREFIX}${this.produced}`;
        const askedMs = untilMs + this.produced;
        this.produced += 1;
        const bytes = codec.encode({ ...value, request_id: id, requested_at: askedMs });
        return { topic: REQUESTS_TOPIC, timestampMs: askedMs, key: Buffer.from(id), value: bytes };
      });
      await writer.append(group);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    await writer.close();
    await connections.log.close();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

/** Versions of a partition's live predictions, each change once. */
function turnsOf(live: readonly Seen[], partition: number): number[] {
  const versions = live.flatMap((one) => (one.partition === partition ? [one.prediction.version] : []));
  return versions.filter((version, index) => version !== versions[index - 1]);
}

async function commanded(platform: Platform, args: readonly string[]): Promise<void> {
  const { code, told, out } = await platform.ask(args);
  assert.equal(code, 0, `${args.join(' ')}: ${told}${out}`);
}

/** The demo's definitions with something replaced in them, as a file. */
function changedFile(platform: Platform, changes: readonly (readonly [before: string, after: string])[]): string {
  const folder = new URL('../../../infra/demo/definitions/', import.meta.url);
  let text = ['flights.yaml', 'flight-delay.yaml']
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n---\n');
  for (const [before, after] of changes) {
    assert.ok(text.includes(before), before);
    text = text.replace(before, after);
  }
  const path = join(platform.folder, 'changed.yaml');
  writeFileSync(path, text);
  return path;
}

/** Windows of a day; no alert asks for a training meanwhile, and any model passes the gates: what is looked at are the changes. */
const CHANGES = [
  ['window: 7d', 'window: 1d'],
  ['threshold: 0.3', 'threshold: 0.99'],
  ['at_least: 0.7', 'at_least: 0.5'],
] as const;

export function checkSwitching(platform: () => Platform): void {
  it('a changed monitor is followed at once; a changed view is refused, with the field', async () => {
    const watcher = new Watcher(platform());
    await watcher.start();
    try {
      await commanded(platform(), ['apply', changedFile(platform(), CHANGES)]);
      await watcher.until('a statistic of one day', () =>
        watcher.events.some(
          ({ name, value }) => name === 'Statistic' && value.window_end - value.window_start === DAY_MS,
        ),
      );
      const refused = await platform().ask([
        'apply',
        changedFile(platform(), [...CHANGES, ['window: 24h', 'window: 25h']]),
      ]);
      assert.equal(refused.code, 1);
      assert.match(refused.told, /feature_view origin_departures: features\[2\]\.window_ms.*new name/);
    } finally {
      await watcher.stop();
    }
  });

  it('promotion and rollback are one command each, and take effect between two batches of every partition', async (context) => {
    const watcher = new Watcher(platform());
    await watcher.start();
    let producing: Producing | null = null;
    try {
      await commanded(platform(), ['train', ENDPOINT, '--from', '2013-02-01', '--to', '2013-04-01']);
      await watcher.until('the approval of version 2', () => {
        const failed = watcher.events.find(({ name }) => name === 'TrainingFailed' || name === 'VersionRejected');
        assert.equal(failed, undefined, JSON.stringify(failed));
        return watcher.events.some(({ name, value }) => name === 'VersionApproved' && value.version === 2);
      });
      producing = new Producing(platform());
      const everywhere = (version: number): boolean => {
        const versions = watcher.newestVersions();
        return versions.length === platform().settings.partitions && versions.every((one) => one === version);
      };
      await watcher.until('predictions of version 1', () => everywhere(1));
      await commanded(platform(), ['promote', ENDPOINT, '--version', '2']);
      await watcher.until('predictions of version 2', () => everywhere(2));
      await commanded(platform(), ['rollback', ENDPOINT]);
      await watcher.until('predictions of version 1 again', () => everywhere(1));
      await producing.stop();
      const { produced } = producing;
      await watcher.until('the last prediction', () => watcher.live.length >= produced);
      const ids = watcher.live.map(({ prediction }) => prediction.request_id);
      assert.equal(new Set(ids).size, produced, 'every request was scored');
      assert.equal(ids.length, produced, 'no request was scored twice');
      for (let partition = 0; partition < platform().settings.partitions; partition += 1)
        assert.deepEqual(turnsOf(watcher.live, partition), [1, 2, 1], `partition ${partition}`);
      assert.ok(watcher.events.some(({ name }) => name === 'RolledBack'));
      context.diagnostic(`${produced} requests while the versions changed`);
    } finally {
      await producing?.stop();
      await watcher.stop();
    }
  });
}
