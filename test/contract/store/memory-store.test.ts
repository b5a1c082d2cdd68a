import { memoryStores } from '../../../streams/memory-store.ts';
import { storeSuite } from './store-suite.ts';

storeSuite('memory', memoryStores);
