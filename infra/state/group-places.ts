// Places on other machines: the instances that have told their group where they are reached.
import { type Clock } from '../../streams/clock.ts';
import { type Log, type LogAdmin } from '../../streams/log.ts';
import { type Settings } from '../settings.ts';
import { type Places, type StatePlace, placeAt, placesIn } from './places.ts';

/** A new member is found after this long at most; with many partitions on the move, Kafka is not asked more often. */
const KNOWN_FOR_MS = 1000;
/** While Kafka is away those that were known are asked. */
const ANSWER_WITHIN_MS = 2000;

interface Known {
  readonly places: readonly StatePlace[];
  readonly untilMs: number;
}

export class GroupPlaces {
  readonly #admin: Pick<LogAdmin, 'memberAddresses'>;
  readonly #token: string;
  readonly #clock: Clock;
  readonly #known = new Map<string | null, Known>();
  readonly #asking = new Map<string | null, Promise<readonly StatePlace[]>>();

  constructor(admin: Pick<LogAdmin, 'memberAddresses'>, token: string, clock: Clock) {
    this.#admin = admin;
    this.#token = token;
    this.#clock = clock;
  }

  /** Of the application's group, which is called as it is; null: of all groups. */
  async of(application: string | null): Promise<readonly StatePlace[]> {
    const known = this.#known.get(application);
    if (known !== undefined && this.#clock.monotonicMs() < known.untilMs) return known.places;
    const asking = this.#asking.get(application) ?? this.#ask(application);
    const over = new AbortController();
    const late = this.#clock.sleep(ANSWER_WITHIN_MS, over.signal).then(() => null);
    const told = await Promise.race([asking.catch(() => null), late]).finally(() => over.abort());
    return told ?? known?.places ?? [];
  }

  #ask(group: string | null): Promise<readonly StatePlace[]> {
    const asking = this.#admin.memberAddresses(group).then((addresses) => {
      const places = addresses.map((address) => placeAt(address, this.#token));
      // names that nobody runs under are whatever somebody asks for
      if (places.length === 0) this.#known.delete(group);
      else this.#known.set(group, { places, untilMs: this.#clock.monotonicMs() + KNOWN_FOR_MS });
      return places;
    });
    this.#asking.set(group, asking);
    asking.catch(() => undefined).finally(() => this.#asking.delete(group));
    return asking;
  }
}

/** Without a token no other machine would answer, and none is asked. What is on this one is asked over loopback. */
export function placesOf(
  { dataDir, stateToken }: Pick<Settings, 'dataDir' | 'stateToken'>,
  log: Log | null,
  clock: Clock,
): Places {
  if (stateToken === null || log === null) return async () => placesIn(dataDir);
  const groups = new GroupPlaces(log.admin(), stateToken, clock);
  // whoever comes last is asked for what both have
  return async (application) => [...(await groups.of(application)), ...placesIn(dataDir)];
}
