// CloudEvents headers in the Kafka binding; the constant ones are made once per writer.
import { type Header } from './log.ts';

const SPEC_VERSION: Header = { key: 'ce_specversion', value: Buffer.from('1.0') };
const AVRO: Header = { key: 'content-type', value: Buffer.from('application/avro') };

export type HeaderMaker = (id: string, wallMs: number, more?: readonly Header[]) => readonly Header[];

/**
 * @param type such as `millrace.Prediction`
 * @param source such as `millrace/scoring`
 */
export function headerMaker(type: string, source: string): HeaderMaker {
  const ceType: Header = { key: 'ce_type', value: Buffer.from(type) };
  const ceSource: Header = { key: 'ce_source', value: Buffer.from(source) };
  let lastMs = Number.NaN;
  let ceTime: Header = { key: 'ce_time', value: Buffer.alloc(0) };
  return (id, wallMs, more = []) => {
    if (wallMs !== lastMs) {
      ceTime = { key: 'ce_time', value: Buffer.from(new Date(wallMs).toISOString()) };
      lastMs = wallMs;
    }
    return [SPEC_VERSION, { key: 'ce_id', value: Buffer.from(id) }, ceType, ceSource, ceTime, AVRO, ...more];
  };
}
