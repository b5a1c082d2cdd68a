import { memoryStorage } from '../../../streams/checkpoints/memory-storage.ts';
import { storageSuite } from './storage-suite.ts';

storageSuite('memory', memoryStorage);
