// What may happen to a state folder while nobody uses it.
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Spoils the files that the stores in this folder are read from. */
export function damageStores(stateDir: string): void {
  for (const store of readdirSync(stateDir))
    for (const name of readdirSync(join(stateDir, store))) {
      if (!/^MANIFEST|\.sst$|\.log$/.test(name)) continue;
      const file = join(stateDir, store, name);
      truncateSync(file, 10);
      writeFileSync(file, 'damaged', { flag: 'a' });
    }
}
