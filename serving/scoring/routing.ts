// Which versions answer a request: a fold of the lifecycle.
import { createHash } from 'node:crypto';
import { type Event } from '../../schemas/codec.ts';
import { type RoutingArm, type RoutingChanged } from '../../schemas/events.generated.ts';
import { FOREVER_MS, NEVER_MS } from '../../streams/lane.ts';
import { type ServableVersion, type VersionInput, versionId } from './models.ts';

interface Route {
  /** event time from which it holds */
  readonly fromMs: number;
  readonly arms: readonly RoutingArm[];
}

/** Share of [0, 1) that a request id falls on: the same in every run and on every machine. */
export function shareOf(requestId: string): number {
  return Number(createHash('sha256').update(requestId).digest().readBigUInt64BE(0)) / 2 ** 64;
}

export class Routing {
  readonly #endpoint: string;
  #routes: Route[] = [];
  #controlUntilMs = NEVER_MS;
  readonly #versions = new Map<string, ServableVersion>();

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  apply(event: Event): void {
    if (event.name === 'RoutingChanged' && event.value.endpoint === this.#endpoint) this.#change(event.value);
    else if (event.name === 'ControlAdvanced' && event.value.endpoint === this.#endpoint)
      this.#controlUntilMs = Math.max(this.#controlUntilMs, event.value.until);
    else if (event.name === 'ModelVersionCreated') {
      const { model, version, weights_sha256, weights_uri, inputs } = event.value;
      const parsed = inputs === '' ? [] : (JSON.parse(inputs) as VersionInput[]);
      this.#versions.set(versionId(model, version), {
        model,
        version,
        weightsSha256: weights_sha256,
        weightsUri: weights_uri,
        inputs: parsed,
      });
    }
  }

  // A change at once (a rollback by hand) replaces everything from now on, what was planned for later too.
  #change({ effective_from, arms }: RoutingChanged): void {
    const fromMs = effective_from ?? NEVER_MS;
    this.#routes = [...this.#routes.filter((route) => route.fromMs < fromMs), { fromMs, arms }];
  }

  /** Requests up to this event time may be scored. */
  get controlUntilMs(): number {
    return this.#controlUntilMs;
  }

  version(model: string, version: number): ServableVersion | undefined {
    return this.#versions.get(versionId(model, version));
  }

  /** All versions that some route names from `fromMs` on, so that they can be loaded ahead. */
  needed(fromMs: number): ServableVersion[] {
    const current = this.#routeAt(fromMs);
    const arms = [
      ...(current === null ? [] : current.arms),
      ...this.#routes.filter((route) => route.fromMs > fromMs).flatMap((route) => route.arms),
    ];
    const ids = new Set(arms.map((arm) => versionId(arm.model, arm.version)));
    return [...ids].flatMap((id) => this.#versions.get(id) ?? []);
  }

  #routeAt(timeMs: number): Route | null {
    let found: Route | null = null;
    for (const route of this.#routes) if (route.fromMs <= timeMs) found = route;
    return found;
  }

  armsAt(timeMs: number): readonly RoutingArm[] {
    return this.#routeAt(timeMs)?.arms ?? [];
  }

  /** The newest routing, whatever the time. */
  newest(): readonly RoutingArm[] {
    return this.armsAt(FOREVER_MS);
  }

  /** The one arm that answers. Null: no version serves at that time. */
  live(timeMs: number, requestId: string): RoutingArm | null {
    const arms = this.armsAt(timeMs).filter((arm) => arm.purpose === 'live');
    const challenger = arms.find((arm) => arm.arm === 'challenger');
    if (challenger !== undefined && shareOf(requestId) < challenger.share) return challenger;
    return arms.find((arm) => arm.arm !== 'challenger') ?? challenger ?? null;
  }

  /** Every version that scores beside the answering one: shadows, and in a canary the arm that did not answer, so that both see the same rows. */
  shadow(timeMs: number, requestId: string): readonly RoutingArm[] {
    const answering = this.live(timeMs, requestId);
    return this.armsAt(timeMs).filter((arm) => arm !== answering);
  }
}
