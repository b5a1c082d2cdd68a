// Failures as HTTP statuses: the one place where the two meet.
import { Failure, type FailureCode } from '../schemas/failure.ts';

export const STATUS: Readonly<Record<FailureCode, number>> = {
  undecodable_record: 400,
  missing_field: 400,
  invalid_field: 400,
  unknown_field: 400,
  unknown_name: 404,
  already_exists: 409,
  invalid_definition: 400,
  invalid_model: 400,
  invalid_request: 400,
  too_late: 400,
  too_large: 413,
  unknown_prediction: 404,
  not_ready: 503,
  overloaded: 503,
  disk_full: 507,
  damaged_state: 500,
  port_in_use: 500,
  missing_tool: 500,
  unreachable: 503,
  unauthorized: 401,
  fenced: 503,
  conflict: 409,
  internal: 500,
};

/** What a caller is told; `status` 500 for what is no failure of ours. */
export function problemOf(error: unknown): {
  readonly status: number;
  readonly body: { readonly error: string; readonly code: FailureCode; readonly field: string };
} {
  const failure = error instanceof Failure ? error : null;
  return {
    status: failure === null ? 500 : STATUS[failure.code],
    body: {
      error: failure?.advice ?? (error instanceof Error ? error.message : String(error)),
      code: failure?.code ?? 'internal',
      field: failure?.field ?? '',
    },
  };
}
