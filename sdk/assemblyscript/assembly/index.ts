/**
 * For writing Shoal functions in AssemblyScript: export a function `handle`, and the runtime calls it once for each call of the
 * function.
 *
 *     import { input, output } from "shoal/assembly";
 *
 *     export function handle(): i32 {
 *       output(input());
 *       return 0;
 *     }
 *
 * Its result is the call's exit code: 0 for success. `throw new Error("why")` fails the call as well, with the message on
 * standard error. Statements at the top of a module run once, when the function is deployed: every call begins from the
 * memory as they left it.
 */
import * as env from "./env";

export { log, exit } from "./wasi";
export { Call, chain } from "./chain";
export { State } from "./state";

/** The call's input: any bytes. In full each time. */
export function input(): Uint8Array {
  const size = env.readInput(0, 0);
  const bytes = new Uint8Array(size);
  if (size > 0) env.readInput(bytes.dataStart, size);
  return bytes;
}

/** The call's input as text in UTF-8. */
export function inputText(): string {
  return String.UTF8.decode(input().buffer);
}

/** Makes bytes the call's output; the last call of it wins. */
export function output(bytes: Uint8Array): void {
  env.writeOutput(bytes.dataStart, bytes.byteLength);
}

/** Makes text in UTF-8 the call's output. */
export function outputText(text: string): void {
  output(Uint8Array.wrap(String.UTF8.encode(text)));
}
