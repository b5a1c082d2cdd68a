// Structured logs; secrets never in them.
import { type Logger, pino } from 'pino';
import { type Settings } from './settings.ts';

export function makeLogger(settings: Settings, role: string): Logger {
  return pino({
    level: settings.logLevel,
    base: { role },
    redact: {
      paths: ['password', '*.password', '*.KAFKA_SASL_PASSWORD', 'authorization', '*.authorization'],
      censor: '***',
    },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
}
