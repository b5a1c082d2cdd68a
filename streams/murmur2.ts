// Kafka's default partitioner: murmur2 of the key, sign bit dropped, modulo the number of partitions.

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** 32-bit murmur2 as Apache Kafka's `Utils.murmur2` computes it. */
export function murmur2(data: Buffer): number {
  const length = data.length;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = data.readInt32LE(at);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    word = Math.imul(word, M);
    hash = Math.imul(hash, M) ^ word;
  }
  const left = length - at;
  if (left === 3) hash ^= (data[at + 2] ?? 0) << 16;
  if (left >= 2) hash ^= (data[at + 1] ?? 0) << 8;
  if (left >= 1) hash = Math.imul(hash ^ (data[at] ?? 0), M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/** The partition that Kafka's own clients choose for this key. A null key goes to partition 0: there is no sticky choice to repeat. */
export function partitionOfKey(key: Buffer | null, partitions: number): number {
  return key === null ? 0 : (murmur2(key) & 0x7fffffff) % partitions;
}
