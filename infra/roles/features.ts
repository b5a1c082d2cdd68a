// The features role: an application per applied feature view; a changed definition starts anew.
import { definitionHash } from '../../schemas/parse-definitions.ts';
import { type FeatureViewDefinition } from '../../schemas/definitions.ts';
import { type Application } from '../../streams/application.ts';
import { EventFollower } from '../event-follower.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { engineParts, measureApplications, stopApplications } from './engine-parts.ts';
import { startView } from './view-applications.ts';

export async function run(context: RoleContext): Promise<RunningRole> {
  const role = new FeaturesRole(context);
  await role.start();
  return role;
}

class FeaturesRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #applications = new Map<string, Application>();
  readonly #hashes = new Map<string, string>();
  readonly #follower: EventFollower;
  #wanted: FeatureViewDefinition[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(context: RoleContext) {
    this.#context = context;
    this.#follower = new EventFollower(context.kafka, context.codec, (event) => {
      if (event.name !== 'DefinitionApplied' || event.value.kind !== 'feature_view') return;
      this.#wanted.push(JSON.parse(event.value.spec) as FeatureViewDefinition);
      this.#turn = this.#turn.then(() => this.#startWanted()).catch((error: unknown) => context.failed(error));
    });
  }

  async start(): Promise<void> {
    measureApplications(this.#context, this.#applications);
    await this.#follower.start([this.#context.topics.lifecycle], (error) => this.#context.failed(error));
    await this.#turn;
  }

  async #startWanted(): Promise<void> {
    const wanted = new Map(this.#wanted.map((view) => [view.name, view]));
    this.#wanted = [];
    await Promise.all([...wanted.values()].map((view) => this.#startOne(view)));
  }

  async #startOne(view: FeatureViewDefinition): Promise<void> {
    const hash = definitionHash(view);
    if (this.#hashes.get(view.name) === hash) return;
    this.#hashes.set(view.name, hash);
    await this.#applications.get(view.name)?.stop();
    const application = await startView(engineParts(this.#context, view.name), this.#context.registry, view);
    application.finished.catch((error: unknown) => this.#context.failed(error));
    this.#applications.set(view.name, application);
    this.#context.logger.info({ view: view.name }, 'feature view runs');
  }

  async stop(): Promise<void> {
    await this.#follower.stop();
    await this.#turn;
    await stopApplications(this.#context, this.#applications);
  }
}
