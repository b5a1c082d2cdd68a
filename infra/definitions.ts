// Definitions to the lifecycle: the topics that they ask for are made first.
import { type Definition } from '../schemas/definitions.ts';
import { declared, declaredTopics } from '../streams/topology.ts';
import { systemClock } from './clock.ts';
import { CommandClient } from './command-client.ts';
import { type Connections } from './connect.ts';
import { type Settings } from './settings.ts';

/** @throws Failure with the field at fault; nothing is applied then */
export async function applyDefinitions(
  connections: Connections,
  settings: Settings,
  definitions: readonly Definition[],
  issuedBy: string,
): Promise<{ applied: number; unchanged: number }> {
  const { log, codec, topics } = connections;
  const commands = new CommandClient({
    log,
    codec,
    names: topics,
    clock: systemClock,
    workspace: settings.workspace,
    issuedBy,
  });
  const admin = log.admin();
  await admin.ensureTopics(declaredTopics(topics, declared(definitions), settings.partitions));
  await admin.close();
  await commands.start();
  try {
    return (await commands.send('ApplyDefinitions', { definitions })) as { applied: number; unchanged: number };
  } finally {
    await commands.close();
  }
}
