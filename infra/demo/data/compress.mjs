// node compress.mjs DIR: DIR/*.columns.txt → *.columns.br beside this file.
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const folder = process.argv[2];
for (const name of ['flights', 'weather']) {
  const text = readFileSync(`${folder}/${name}.columns.txt`);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
  };
  writeFileSync(new URL(`${name}.columns.br`, import.meta.url), brotliCompressSync(text, { params }));
}
