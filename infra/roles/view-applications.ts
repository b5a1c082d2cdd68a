// A running application per declared feature view.
import { AvroCodec } from '../../schemas/codec.ts';
import { type SchemaRegistry } from '../../schemas/codec.ts';
import { type FeatureViewDefinition } from '../../schemas/definitions.ts';
import { definitionHash, featureRowSchema } from '../../schemas/parse-definitions.ts';
import { type FeatureRow, viewApplication } from '../../processors/features/view-application.ts';
import { type Application } from '../../streams/application.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { applicationIds } from '../../streams/topology.ts';
import { type EngineParts, makeApplication } from './engine-options.ts';

/** The codec of a view's rows; registers their schema. */
export async function featureRowCodec(
  registry: SchemaRegistry,
  topic: string,
  view: FeatureViewDefinition,
): Promise<AvroCodec<FeatureRow>> {
  const schema = featureRowSchema(view);
  return new AvroCodec(await registry.register(`${topic}-value`, schema), schema);
}

export async function startView(
  parts: EngineParts,
  registry: SchemaRegistry,
  view: FeatureViewDefinition,
): Promise<Application> {
  const { names, clock, codec, log } = parts;
  const topic = names.features(view.name);
  const admin = log.admin();
  const counts = await admin.partitionsOf([
    view.source.topic,
    names.repartition(applicationIds.view(view.name)),
    topic,
  ]);
  await admin.close();
  const application = await makeApplication(
    parts,
    viewApplication({
      view,
      definitionHash: definitionHash(view),
      names,
      reader: codec.reader,
      rowCodec: await featureRowCodec(registry, topic, view),
      headers: headerMaker('millrace.FeatureRow', 'millrace/features'),
      sourcePartitions: counts.get(view.source.topic) ?? 1,
      viewPartitions: counts.get(topic) ?? 1,
      nowMs: () => clock.nowMs(),
    }),
  );
  await application.start();
  return application;
}
