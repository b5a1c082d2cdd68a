// What a changed topology would lose or take for its own, found before it starts. Beside each committed offset stands which sub-topology
// read the topic, and what it consisted of; the next start compares.
import { crc32 } from 'node:zlib';
import { Failure } from '../schemas/failure.ts';
import { type LogAdmin } from './log.ts';
import { type ApplicationSpec, type SubTopology } from './processor.ts';

/** Kept beside a committed offset. */
export interface PartsMark {
  /** of the sub-topology; its state lies under it */
  readonly stage: string;
  /** a hash of six characters for each */
  readonly parts: string;
}

const HASH_LENGTH = 6;
/** Kafka takes 4096 bytes beside an offset, and the progress of the lanes stands there too. */
const PARTS_MAX = 200;

const outputName = (topic: string): string => `→ ${topic}`;

export function partsMark({ name, parts }: Pick<SubTopology<never>, 'name' | 'parts'>): PartsMark | null {
  if (parts === undefined) return null;
  const names = [...parts.states, ...parts.outputTopics.map(outputName)];
  return { stage: name, parts: names.slice(0, PARTS_MAX).map(hashOf).join('') };
}

function hashOf(name: string): string {
  const hash = Buffer.alloc(4);
  hash.writeUInt32LE(crc32(name));
  return hash.toString('base64url');
}

interface Place {
  readonly stage: string;
  readonly reads: readonly string[];
  /** of the step, the join or the output topic */
  readonly name: string;
  readonly keepsState: boolean;
}

/**
 * @throws Failure `invalid_definition` where a part that has a state would not find it any more, or where an internal topic holds what
 *   was meant for a part that now reads another one
 */
export async function requireUnmoved(spec: ApplicationSpec, admin: Pick<LogAdmin, 'groupOffsets'>): Promise<void> {
  const placesOf = placesByHash(spec);
  if (placesOf.size === 0) return;
  for (const { topic, metadata } of await admin.groupOffsets(spec.id)) {
    const mark = markIn(metadata);
    if (mark === null) continue;
    const places = hashesOf(mark.parts).map((hash) => placesOf.get(hash) ?? []);
    const moved = places.flat().find(({ keepsState, stage }) => keepsState && stage !== mark.stage);
    if (moved !== undefined)
      throw refused(
        spec.id,
        `${moved.name} is part of ${moved.stage} now; what it keeps lies in ${mark.stage}`,
        moved.name,
      );
    const there = places.filter((found) => found.length > 0);
    const isKept = there.some((found) => found.some(({ reads }) => reads.includes(topic)));
    const [other] = there.flat();
    if (other !== undefined && !isKept && isInternal(spec, topic))
      throw refused(
        spec.id,
        `${topic} holds what was meant for ${other.name}; something else would read it`,
        other.name,
      );
  }
}

function placesByHash({ subTopologies }: ApplicationSpec): Map<string, Place[]> {
  const found = new Map<string, Place[]>();
  const add = (hash: string, place: Place): void => {
    found.set(hash, [...(found.get(hash) ?? []), place]);
  };
  for (const one of subTopologies) {
    if (one.kind === 'direct' || one.parts === undefined) continue;
    const place = { stage: one.name, reads: one.topics };
    for (const name of one.parts.states) add(hashOf(name), { ...place, name, keepsState: true });
    for (const topic of one.parts.outputTopics)
      add(hashOf(outputName(topic)), { ...place, name: topic, keepsState: false });
  }
  return found;
}

function isInternal({ subTopologies }: ApplicationSpec, topic: string): boolean {
  return subTopologies.some((one) => one.kind !== 'direct' && one.internalTopics?.includes(topic) === true);
}

function markIn(metadata: string): PartsMark | null {
  if (metadata === '') return null;
  const { stage, parts } = JSON.parse(metadata) as Partial<PartsMark>;
  return stage === undefined || parts === undefined ? null : { stage, parts };
}

function hashesOf(parts: string): string[] {
  return Array.from({ length: parts.length / HASH_LENGTH }, (_, index) =>
    parts.slice(index * HASH_LENGTH, (index + 1) * HASH_LENGTH),
  );
}

function refused(id: string, problem: string, field: string): Failure {
  return new Failure('invalid_definition', `The topology ${id} has changed: ${problem}.`, {
    field,
    fix:
      'Give what you have added a name (`keyBy(…, { name })`, `stream(…, { name })`), and what ran without one none: what is added with a ' +
      'name moves nothing else. Or give the topology a new id, with which it begins anew.',
  });
}
