// What the two halves of a foreign-key join say to each other, each in an internal topic.
//
//   subscriptions   key: the foreign key, so that it lands where the right row is   from the left half to the right
//   responses       key: the left key, into the left row's own partition            from the right half to the left
//
// `version` is the offset of the left record that a subscription was made for. It names that left row for ever: a response is of use
// only while the left row still is the one that asked. KIP-213 sends a 128-bit hash of the left value for the same end; a version
// is shorter, and two equal values at different times are not mistaken for each other.
import { Packer, Unpacker } from '../packing.ts';
import { type Version, packVersion, unpackVersion } from './step.ts';

export interface Subscription {
  /** `subscribe`: answer now and at each change of the right row; `unsubscribe`: no more, if it is still this version */
  readonly kind: 'subscribe' | 'unsubscribe';
  readonly foreignKey: string;
  readonly leftKey: string;
  /** of the left row: responses go there, whatever partitioner its producers use */
  readonly leftPartition: number;
  readonly version: number;
  /** from which event time the left row holds */
  readonly timeMs: number;
}

export interface Response {
  readonly leftKey: string;
  readonly leftPartition: number;
  readonly version: number;
  /** the right row when this was written; null: there is none */
  readonly right: Version | null;
}

const LAYOUT = 1;
const KINDS = ['subscribe', 'unsubscribe'] as const;

/** The record's key is the foreign key; this is its value. Law: decode(foreignKey, encode(s)) equals s. */
export const subscriptionCodec = {
  encode({ kind, leftKey, leftPartition, version, timeMs }: Subscription): Buffer {
    const packer = new Packer().uint(LAYOUT).uint(KINDS.indexOf(kind));
    return packer.text(leftKey).uint(leftPartition).uint(version).int(timeMs).done();
  },
  decode(foreignKey: string, bytes: Buffer): Subscription {
    const packed = new Unpacker(bytes, 'subscription of a foreign-key join');
    packed.layout(LAYOUT);
    const kind = packed.uint() === 0 ? 'subscribe' : 'unsubscribe';
    const subscription: Subscription = {
      kind,
      foreignKey,
      leftKey: packed.text(),
      leftPartition: packed.uint(),
      version: packed.uint(),
      timeMs: packed.int(),
    };
    packed.end();
    return subscription;
  },
};

/** The record's key is the left key, its partition `leftPartition`; this is its value. Law: decode of encode equals the response. */
export const responseCodec = {
  encode({ version, right }: Response): Buffer {
    const packer = new Packer()
      .uint(LAYOUT)
      .uint(version)
      .uint(right === null ? 0 : 1);
    if (right !== null) packVersion(packer, right);
    return packer.done();
  },
  decode(at: { readonly leftKey: string; readonly leftPartition: number }, bytes: Buffer): Response {
    const packed = new Unpacker(bytes, 'response of a foreign-key join');
    packed.layout(LAYOUT);
    const version = packed.uint();
    const right = packed.uint() === 0 ? null : unpackVersion(packed);
    packed.end();
    return { leftKey: at.leftKey, leftPartition: at.leftPartition, version, right };
  },
};
