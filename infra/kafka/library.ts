// What of @platformatic/kafka is used: its connection, its wire format and single requests. The package's own entry also loads its
// clients, their validators and a schema registry (150 modules, some 20 MB in every thread that speaks to Kafka) and
// exports nothing narrower, hence the files by their paths; the version is pinned.
export {
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
  addOffsetsToTxnV3,
  addPartitionsToTxnV3,
  apiVersionsV4,
  consumerGroupDescribeV0,
  consumerGroupHeartbeatV1,
  createTopicsV7,
  deleteRecordsV2,
  deleteTopicsV6,
  endTxnV4,
  findCoordinatorV6,
  incrementalAlterConfigsV1,
  initProducerIdV5,
  joinGroupV9,
  leaveGroupV5,
  listGroupsV5,
  listOffsetsV9,
  listTransactionsV1,
  metadataV12,
  offsetCommitV9,
  offsetFetchV9,
  txnOffsetCommitV4,
} from '../../node_modules/@platformatic/kafka/dist/apis/index.js';
export { Connection, type ConnectionOptions } from '../../node_modules/@platformatic/kafka/dist/network/connection.js';
export { protocolErrorsCodesById } from '../../node_modules/@platformatic/kafka/dist/protocol/errors.js';
export type { Reader } from '../../node_modules/@platformatic/kafka/dist/protocol/reader.js';
export { Writer } from '../../node_modules/@platformatic/kafka/dist/protocol/writer.js';
