// What every role is given.
import { type Logger } from 'pino';
import { type Registry } from 'prom-client';
import { type EventCodec, type SchemaRegistry, type SubjectSchemas } from '../../schemas/codec.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { type Clock } from '../../streams/clock.ts';
import { type Log, type MemberAddress } from '../../streams/log.ts';
import { type Settings } from '../settings.ts';
import { type Places } from '../state/places.ts';
import { type ApplicationReports } from './application-reports.ts';

export interface RoleContext {
  readonly settings: Settings;
  readonly role: string;
  /** tells copies of a role apart: 0, 1, …, behind the machine's name where it has one */
  readonly instance: string;
  /** where other machines reach the states of this process; null: nowhere */
  readonly address: MemberAddress | null;
  /** of all states, here and elsewhere */
  readonly places: Places;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kafka: Log;
  readonly registry: SchemaRegistry & SubjectSchemas;
  readonly codec: EventCodec;
  readonly topics: TopicNames;
  readonly metrics: Registry;
  readonly reports: ApplicationReports;
  /** the role cannot go on; the supervisor starts it anew */
  failed(error: unknown): void;
}

export interface RunningRole {
  stop(): Promise<void>;
}
