// What a rule of the lifecycle is: state and command in, events or a refusal out.
import { type Event } from '../../schemas/codec.ts';
import { type TopicSchemas } from '../../schemas/check-fields.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { type Payload } from './payload.ts';
import { type LifecycleState } from './state.ts';

export interface Decision {
  readonly events: readonly Event[];
  /** told to the asker */
  readonly result: unknown;
  /** their topics must be there before anybody sees the events */
  readonly topicsOf?: readonly Definition[];
}

export interface CommandContext {
  /** when the command was issued, wall clock at the edge, epoch ms */
  readonly issuedAtMs: number;
  readonly issuedBy: string;
  /** of the topics that the command speaks of; absent: none is registered */
  readonly schemas?: TopicSchemas;
}

export type Rule = (state: LifecycleState, payload: Payload, context: CommandContext) => Decision;
