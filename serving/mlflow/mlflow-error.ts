// What went wrong, in the shape that MLflow's client reads.
import { type FastifyReply } from 'fastify';
import { Failure } from '../../schemas/failure.ts';

/** MLflow's own words for what went wrong. */
export class MlflowError extends Error {
  readonly errorCode: string;
  readonly status: number;

  constructor(errorCode: string, message: string) {
    super(message);
    this.errorCode = errorCode;
    this.status = errorCode === 'RESOURCE_DOES_NOT_EXIST' ? 404 : errorCode === 'INTERNAL_ERROR' ? 500 : 400;
  }
}

export const missing = (what: string): MlflowError => new MlflowError('RESOURCE_DOES_NOT_EXIST', `${what} not found`);
export const invalid = (message: string): MlflowError => new MlflowError('INVALID_PARAMETER_VALUE', message);

export function sendError(error: unknown, reply: FastifyReply): void {
  const known =
    error instanceof MlflowError
      ? error
      : error instanceof Failure
        ? fromFailure(error)
        : new MlflowError('INTERNAL_ERROR', error instanceof Error ? error.message : String(error));
  reply.code(known.status).type('application/json').send({ error_code: known.errorCode, message: known.message });
}

function fromFailure(failure: Failure): MlflowError {
  if (failure.code === 'unknown_name') return new MlflowError('RESOURCE_DOES_NOT_EXIST', failure.message);
  if (failure.code === 'already_exists') return new MlflowError('RESOURCE_ALREADY_EXISTS', failure.message);
  if (failure.code === 'unreachable' || failure.code === 'internal')
    return new MlflowError('INTERNAL_ERROR', failure.advice);
  return invalid(failure.advice);
}
