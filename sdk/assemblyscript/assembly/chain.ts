import * as env from "./env";

/** A call that was made and not awaited yet. */
export class Call {
  constructor(private id: i32) {}

  /** Waits for the call to end, and returns its exit code: 0 for success. */
  wait(): i32 {
    return env.awaitCall(this.id);
  }

  /** Waits for the call to end, and returns its output. Throws when it failed. */
  output(): Uint8Array {
    const result = new StaticArray<usize>(2); // the address and the size
    const at = changetype<usize>(result);
    const code = env.awaitCallOutput(this.id, at, at + sizeof<usize>());
    if (code != 0) throw new Error("the chained call ended with exit code " + code.toString());
    const data = result[0];
    const bytes = new Uint8Array(data == 0 ? 0 : i32(result[1]));
    if (data != 0) {
      memory.copy(bytes.dataStart, data, bytes.byteLength);
      free(data);
    }
    return bytes;
  }
}

/** Calls another function of the same tenant with an input, and returns at once. */
export function chain(name: string, input: Uint8Array): Call {
  const id = env.chainName(changetype<usize>(String.UTF8.encode(name, true)), input.dataStart, input.byteLength);
  if (id < 0) throw new Error("calling " + name + ": the worker answers errno " + (-id).toString());
  return new Call(id);
}

/** Memory for the worker to put an output in. It is exported as malloc: `export { malloc, free } from "shoal/assembly/chain"`. */
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

/** Gives memory from malloc back. */
export function free(address: usize): void {
  heap.free(address);
}
