import { memoryStores } from '../../../streams/memory-store.ts';
import { storeSuite } from './store-suite.ts';
import { timeStoreSuite } from './time-store-suite.ts';

storeSuite('memory', memoryStores);
timeStoreSuite('memory', memoryStores);
