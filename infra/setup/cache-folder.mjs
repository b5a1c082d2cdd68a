// Where downloads and compiled modules are kept. Plain JavaScript without dependencies: the bootstrap asks before anything is installed.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Absolute. An empty variable counts as none, as for every setting. */
export function cacheFolder(environment) {
  const { MILLRACE_CACHE_DIR: own, XDG_CACHE_HOME: users } = environment;
  // folders are handed to processes that work elsewhere
  return resolve(own || join(users || join(homedir(), '.cache'), 'millrace'));
}
