/** `find-wrong.mjs WRITTEN`, as JSON: the numbers of the blocks that are not on this machine's disk as they were written (blocks.mjs). */
import { findWrong } from './blocks.mjs';

process.stdout.write(`${JSON.stringify(await findWrong(JSON.parse(process.argv[2])))}\n`);
