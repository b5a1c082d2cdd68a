// The applied definitions, as the lifecycle tells them.
import { type Event } from '../schemas/codec.ts';
import {
  type Definition,
  type EndpointDefinition,
  type FeatureViewDefinition,
  type MonitorDefinition,
  type RetrainingPolicyDefinition,
  type RolloutPolicyDefinition,
} from '../schemas/definitions.ts';

export class AppliedDefinitions {
  readonly #definitions = new Map<string, Definition>();

  apply(event: Event): void {
    if (event.name !== 'DefinitionApplied') return;
    this.#definitions.set(`${event.value.kind}/${event.value.name}`, JSON.parse(event.value.spec) as Definition);
  }

  get all(): readonly Definition[] {
    return [...this.#definitions.values()];
  }

  get views(): readonly FeatureViewDefinition[] {
    return this.all.filter((definition) => definition.kind === 'feature_view');
  }

  get endpoints(): readonly EndpointDefinition[] {
    return this.all.filter((definition) => definition.kind === 'endpoint');
  }

  get monitors(): readonly MonitorDefinition[] {
    return this.all.filter((definition) => definition.kind === 'monitor');
  }

  rolloutPolicyOf(endpoint: string): RolloutPolicyDefinition | undefined {
    return this.all.find((definition) => definition.kind === 'rollout_policy' && definition.endpoint === endpoint) as
      RolloutPolicyDefinition | undefined;
  }

  retrainingPolicyOf(endpoint: string): RetrainingPolicyDefinition | undefined {
    return this.all.find(
      (definition) => definition.kind === 'retraining_policy' && definition.endpoint === endpoint,
    ) as RetrainingPolicyDefinition | undefined;
  }

  /** Entity of each view. */
  get entityOf(): ReadonlyMap<string, string> {
    return new Map(this.views.map((view) => [view.name, view.entity]));
  }
}
