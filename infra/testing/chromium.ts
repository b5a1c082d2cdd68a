// Where the browser of the browser tests is, and how it comes there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Debian's package puts it there. */
const USUAL = '/usr/bin/chromium';
/** Without a font there is no text to measure. */
const PACKAGES = ['chromium', 'fonts-dejavu-core'];

/** Nothing is fetched, reported or asked in the background. */
export const CHROMIUM_ARGUMENTS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

type Environment = Readonly<Record<string, string | undefined>>;

/** null where there is none */
export function chromiumPath(environment: Environment): string | null {
  const named = environment['CHROMIUM_PATH'] ?? USUAL;
  return existsSync(named) ? named : null;
}

/** What is missing and how to get it. */
export function chromiumMissing(environment: Environment): string {
  const named = environment['CHROMIUM_PATH'];
  const where = named === undefined ? USUAL : `CHROMIUM_PATH=${named}`;
  return `The browser tests need Chromium: there is none at ${where}. Install it (Debian: apt-get install ${PACKAGES.join(' ')}), or set CHROMIUM_PATH to a Chromium or Chrome of yours.`;
}

/**
 * CI runs on clean machines: as root on Debian the package is installed. A developer's machine is left alone.
 * Returns whether there is a browser now.
 */
export function provideChromium(environment: Environment, say: (text: string) => void): boolean {
  if (chromiumPath(environment) !== null) return true;
  const mayInstall = environment['CI'] === 'true' && process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (!mayInstall || environment['CHROMIUM_PATH'] !== undefined) return false;
  say('Chromium is missing; CI=true, so it is installed with apt-get …');
  const options = {
    encoding: 'utf8' as const,
    env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' },
  };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, options);
    if (status === 0) continue;
    say(`apt-get ${args.join(' ')} failed:\n${`${stdout}${stderr}`.split('\n').slice(-15).join('\n')}`);
    return false;
  }
  return chromiumPath(environment) !== null;
}
