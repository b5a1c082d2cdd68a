// What the in-memory broker answers when it refuses, with Kafka's own names; sorted by what a client does about it.
import { Failure } from '../../schemas/failure.ts';

export type BrokerErrorCode =
  | 'unreachable'
  | 'concurrent_transactions'
  | 'unstable_offset_commit'
  | 'unknown_topic'
  | 'unknown_member'
  | 'fenced_member_epoch'
  | 'stale_member_epoch'
  | 'fenced_instance'
  | 'unreleased_instance'
  | 'invalid_producer_epoch'
  | 'invalid_producer_id_mapping'
  | 'invalid_transaction_state'
  | 'out_of_order_sequence'
  | 'offset_metadata_too_large'
  | 'invalid_record'
  | 'offset_out_of_range'
  | 'policy_violation'
  | 'record_list_too_large';

const RETRY: ReadonlySet<BrokerErrorCode> = new Set([
  'unreachable',
  'concurrent_transactions',
  'unstable_offset_commit',
  'unreleased_instance',
]);

const FENCED: ReadonlySet<BrokerErrorCode> = new Set([
  'unknown_member',
  'fenced_member_epoch',
  'stale_member_epoch',
  'fenced_instance',
  'invalid_producer_epoch',
  'invalid_producer_id_mapping',
]);

export class BrokerError extends Error {
  readonly code: BrokerErrorCode;

  constructor(code: BrokerErrorCode, message: string = code) {
    super(message);
    this.name = 'BrokerError';
    this.code = code;
  }

  get retriable(): boolean {
    return RETRY.has(this.code);
  }
}

/** The answer as the port's callers see it; the broker's own words stand in `cause`. */
export function failureOf(error: BrokerError, doing: string): Failure {
  const { code, message } = error;
  if (code === 'unknown_topic')
    return new Failure('unknown_name', `${doing}: ${message}`, { fix: 'Create the topic first.', cause: error });
  if (code === 'unreachable')
    return new Failure('unreachable', `${doing}: the broker did not answer.`, { cause: error });
  if (FENCED.has(code))
    return new Failure('fenced', `${doing}: ${message}; another instance took over.`, {
      fix: 'Nothing to do: this instance starts anew.',
      cause: error,
    });
  return new Failure('internal', `${doing}: the broker answered ${message}.`, { cause: error });
}
