// Calls the function of index.ts in the place of a worker, and prints what came of it.
import { readFile } from "node:fs/promises";

import { Worker } from "shoal/test.mjs";

const worker = new Worker(await readFile(process.argv[2]));
worker.chain("upper", (bytes) => new TextDecoder().decode(bytes).toUpperCase());
worker.chain("fail", () => {
  throw new Error("no");
});
const { code, text, log } = worker.call("hi");
console.log(`${code} ${text} ${log}${new TextDecoder().decode(worker.state.get("k"))} ${worker.lists.size}`);
