// Definitions to the lifecycle, whose owner checks them and makes their topics.
import { type Definition } from '../schemas/definitions.ts';
import { systemClock } from './clock.ts';
import { CommandClient } from './command-client.ts';
import type { Connections } from './connect.ts';
import { type Settings } from './settings.ts';

/** Once it resolves, the topics are there. @throws Failure with the field at fault; nothing is applied then, and no topic is made */
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
  await commands.start();
  try {
    return (await commands.send('ApplyDefinitions', { definitions })) as { applied: number; unchanged: number };
  } finally {
    await commands.close();
  }
}
