/** The child's side of `inChild`. */

import { type Task, tasks } from './tasks.js';

const [task, input] = process.argv.slice(2) as [Task, string];
const run = tasks[task] as (input: unknown) => Promise<unknown>;
process.send?.(await run(JSON.parse(input)), () => process.exit(0));
