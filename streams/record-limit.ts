// How large a record may be that the engine writes.

/** Key and value; a broker takes a batch of 1,048,588 bytes unless told otherwise (`max.message.bytes`), its own fields included. */
export const RECORD_BYTES_MAX = 1_000_000;
