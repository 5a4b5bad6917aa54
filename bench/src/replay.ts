/** `npm run replay`: how a trace of real traffic fares in a region. */

import { parseCommandLine, USAGE } from './replay-options.js';
import { type ReplayResult, replay } from './replayer.js';
import { findTrace, readTrace } from './trace.js';

try {
  const { trace, notes, ...options } = parseCommandLine(process.argv.slice(2));
  const path = findTrace(trace);
  for (const note of notes) console.error(`note: ${note}`);
  console.log(lines(await replay(readTrace(path), options)));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 1;
}

function lines(result: ReplayResult): string {
  const number = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 0 });
  return [
    ['requests', number(result.requests)],
    ['unique keys', number(result.uniqueKeys)],
    ['hit ratio', `${(result.hitRatio * 100).toFixed(2)} % (${number(result.hits)} hits)`],
    ['latency p50', `${result.p50.toFixed(2)} µs`],
    ['latency p99', `${result.p99.toFixed(2)} µs`],
    ['requests/s', number(result.requestsPerSecond)],
    ['entries', number(result.entries)],
    ['evictions', number(result.evictions)],
  ]
    .map(([name = '', value = '']) => `${name.padEnd(12)} ${value}`)
    .join('\n');
}
