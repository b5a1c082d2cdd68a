// The shadow role: scores what the live path does not answer, in a consumer group of its own.
import { type RoleContext, type RunningRole } from './context.ts';
import { runScoring } from './scoring.ts';

export function run(context: RoleContext): Promise<RunningRole> {
  return runScoring(context, 'shadow');
}
