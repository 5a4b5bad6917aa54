/** The servers of the tests, installed where they are missing: for benchmarks, lab and demo. */

/**
 * What the test run does before it begins: finds redis-server, memcached and what they need, else installs them with
 * apt-get where that is possible, which may take a minute. No daemon is started.
 * @throws Error that names the packages and the command, where they are not there and cannot be installed.
 */
export async function provideServers(): Promise<void> {
  // from here as from dist; it cannot be a source of this workspace, since tests need it before anything is built
  const script = new URL('../../scripts/provide-servers.js', import.meta.url).href;
  const { provideServers } = (await import(script)) as { provideServers: () => void };
  provideServers();
}
