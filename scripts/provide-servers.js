/**
 * Sees to it that the real servers are there which tests, benchmarks, lab and demo start: found, else installed with
 * apt-get where that is possible, else one message. `node scripts/provide-servers.js` does the same by hand.
 * Plain JavaScript without imports from the project: it runs before anything is built, as jest's globalSetup.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Debian packages, each with a command of the shell that succeeds where it is not needed. */
const NEEDS = {
  'redis-server': 'command -v redis-server',
  memcached: 'command -v memcached',
  openssl: 'command -v openssl', // makes the certificates
  'libsasl2-modules': '! command -v dpkg-query || dpkg-query -W libsasl2-modules', // memcached takes no password without
};
const INSTALL = fileURLToPath(new URL('../servers/install.sh', import.meta.url));
/** Lines of apt-get's output that go into a message. */
const LAST_LINES = 15;

/** @throws Error that names the packages and the command, where they are not there and cannot be installed. */
export function provideServers() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const why = install(missing);
  const left = missingPackages();
  if (left.length === 0) return;
  throw new Error(
    `The servers that the tests start are missing: ${left.join(', ')} (names of Debian packages). They could not be ` +
      `installed: ${why ?? 'they were, but are not on the PATH'}\nInstall them and run again: ` +
      `sudo apt-get install --no-install-recommends ${left.join(' ')}`,
  );
}

export default provideServers;

function missingPackages() {
  return Object.entries(NEEDS)
    .filter(([, present]) => spawnSync('/bin/sh', ['-c', present], { stdio: 'ignore' }).status !== 0)
    .map(([name]) => name);
}

/**
 * @param {readonly string[]} packages
 * @returns {string | undefined} why it failed
 */
function install(packages) {
  if (!succeeds(['/bin/sh', '-c', 'command -v apt-get && command -v flock'])) return 'there is no apt-get';
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !succeeds(['sudo', '-n', 'true'])) return 'that needs root, or sudo without a password';
  process.stderr.write(`Installing ${packages.join(', ')} for the tests, with apt-get\n`);
  const [program, ...args] = [...(isRoot ? [] : ['sudo', '-n']), '/bin/sh', INSTALL, ...packages];
  const { status, error, stdout, stderr } = spawnSync(program ?? '', args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const said = `${stdout ?? ''}${stderr ?? ''}`.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  return error === undefined ? `apt-get ended with ${status}:\n${said}` : error.message;
}

/** @param {readonly string[]} command */
function succeeds([program = '', ...args]) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    provideServers();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
