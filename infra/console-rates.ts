// Measures the log for the console: end offsets once a second, what groups have committed, and the watermarks.
import { type TopicNames } from '../schemas/topics.ts';
import { type Declared, applicationIds, declared } from '../streams/topology.ts';
import { type Log, type LogAdmin, type TopicPartition, partitionId } from '../streams/log.ts';
import { laneId } from '../streams/watermark-follower.ts';
import { type Event } from '../schemas/codec.ts';
import { FOREVER_MS } from '../streams/lane.ts';
import { type ConsoleView, type LoopCounts } from '../serving/console/fold.ts';
import { type Arrow, type CountedFlow, type LogMeasures, loopArrows } from '../serving/console/loop.ts';
import { type AppliedDefinitions } from './definition-follower.ts';

export interface ConsoleRatesParts {
  readonly log: Log;
  readonly names: TopicNames;
  readonly definitions: AppliedDefinitions;
  readonly view: ConsoleView;
  /** monotonic */
  nowMs(): number;
}

interface Sample {
  readonly atMs: number;
  readonly ends: ReadonlyMap<string, number>;
  readonly counts: LoopCounts;
}

const SAMPLE_MS = 1000;
/** Rates are means over this many samples: one second alone flickers. */
const SAMPLES = 6;

export class ConsoleRates implements LogMeasures {
  readonly #parts: ConsoleRatesParts;
  readonly #admin: LogAdmin;
  /** number of partitions of the topics that are there */
  #partitions: ReadonlyMap<string, number> = new Map();
  #samples: Sample[] = [];
  #starts: ReadonlyMap<string, number> = new Map();
  #committed: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map();
  readonly #marks = new Map<string, number>();
  #arrows: readonly Arrow[] = [];
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(parts: ConsoleRatesParts) {
    this.#parts = parts;
    this.#admin = parts.log.admin();
  }

  get arrows(): readonly Arrow[] {
    return this.#arrows;
  }

  /** Takes watermarks; every other event is passed over. */
  apply(event: Event): void {
    if (event.name !== 'Watermarks') return;
    for (const { topic, partition, lane, event_time } of event.value.marks)
      this.#marks.set(laneId(topic, partition, lane), event_time);
  }

  /** @param problem a measurement failed; the next one is tried all the same: the console is no reason to end the gateway */
  start(sleep: (ms: number) => Promise<void>, problem: (error: unknown) => void): void {
    this.#loop = (async () => {
      while (!this.#stopped) {
        try {
          await this.#sample();
        } catch (error) {
          if (!this.#stopped) problem(error);
        }
        await sleep(SAMPLE_MS);
      }
    })();
  }

  async #sample(): Promise<void> {
    const { names, definitions, view, nowMs } = this.#parts;
    const loop = declared(definitions.all);
    const topics = topicsOf(names, loop);
    // a topic that its owner has not made yet is looked for again
    if (topics.some((topic) => !this.#partitions.has(topic))) this.#partitions = await this.#admin.partitionsOf(topics);
    const bounds = await this.#admin.offsets(topics.flatMap((topic) => this.#placesOf(topic)));
    this.#starts = new Map(bounds.map((bound) => [partitionId(bound), bound.start]));
    const ends = new Map(bounds.map((bound) => [partitionId(bound), bound.end]));
    this.#samples = [...this.#samples, { atMs: nowMs(), ends, counts: view.counts }].slice(-SAMPLES);
    this.#committed = new Map(await Promise.all(groupsOf(loop).map((group) => this.#committedBy(group))));
    this.#arrows = loopArrows(names, loop, this, this.#counted());
  }

  async #committedBy(group: string): Promise<[string, ReadonlyMap<string, number>]> {
    const offsets = await this.#admin.groupOffsets(group);
    return [group, new Map(offsets.map((committed) => [partitionId(committed), committed.offset]))];
  }

  #placesOf(topic: string): TopicPartition[] {
    return Array.from({ length: this.#partitions.get(topic) ?? 0 }, (_, partition) => ({ topic, partition }));
  }

  #counted(): CountedFlow {
    const { view } = this.#parts;
    const { counts } = view;
    return {
      counts,
      decidedMs: (endpoint) => view.decidedMs(endpoint),
      perSecond: (what) => this.#rate((sample) => sample.counts[what]),
    };
  }

  #rate(amount: (sample: Sample) => number): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return null;
    return Math.max(0, ((amount(last) - amount(first)) * 1000) / (last.atMs - first.atMs));
  }

  // offsets count the ends of transactions too: rates and totals of topics are a little high
  perSecond(topics: readonly string[]): number | null {
    const places = topics.flatMap((topic) => this.#placesOf(topic)).map(partitionId);
    return places.length === 0
      ? null
      : this.#rate(({ ends }) => places.reduce((sum, place) => sum + (ends.get(place) ?? 0), 0));
  }

  total(topics: readonly string[]): number {
    const ends = this.#samples.at(-1)?.ends;
    return topics
      .flatMap((topic) => this.#placesOf(topic))
      .map(partitionId)
      .reduce((sum, place) => sum + (ends?.get(place) ?? 0) - (this.#starts.get(place) ?? 0), 0);
  }

  behind(group: string, topics: readonly string[]): number | null {
    const committed = this.#committed.get(group);
    const ends = this.#samples.at(-1)?.ends;
    if (committed === undefined || committed.size === 0 || ends === undefined) return null;
    const places = topics.flatMap((topic) => this.#placesOf(topic)).map(partitionId);
    return places.reduce((sum, place) => sum + Math.max(0, (ends.get(place) ?? 0) - (committed.get(place) ?? 0)), 0);
  }

  doneToMs(topics: readonly string[], lane: number): number | null {
    const marks = topics
      .flatMap((topic) => this.#placesOf(topic))
      .map(({ topic, partition }) => this.#marks.get(laneId(topic, partition, lane)) ?? null);
    const done = marks.length === 0 || marks.includes(null) ? null : Math.min(...marks.map(Number));
    // beyond every date: the source is over, or has not begun
    return done === null || Math.abs(done) >= FOREVER_MS ? null : done;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await this.#admin.close();
  }
}

function topicsOf(names: TopicNames, { views, endpoints }: Declared): string[] {
  return [
    ...new Set(views.map((view) => view.source.topic)),
    ...views.flatMap((view) => [names.features(view.name), names.repartition(applicationIds.view(view.name))]),
    ...endpoints.flatMap(({ name }) => [
      names.requests(name),
      names.predictions(name),
      names.outcomes(name),
      names.results(name),
    ]),
    names.statistics,
  ];
}

function groupsOf({ views, endpoints }: Declared): string[] {
  return [
    ...views.map(({ name }) => applicationIds.view(name)),
    ...endpoints.flatMap(({ name }) => [applicationIds.scoring(name), applicationIds.join(name)]),
  ];
}
