// `npm run generate`: brings the TypeScript types up to date with the Avro schemas.
import { writeFileSync } from 'node:fs';
import { generateTypes } from '../schemas/generate-types.ts';

const schemas = new URL('../schemas/', import.meta.url).pathname;
writeFileSync(`${schemas}events.generated.ts`, generateTypes(`${schemas}avro`));
