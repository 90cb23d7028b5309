// What a function needs of WASI to say why it fails.

@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, written: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: i32): void;

const STDERR = 2;

/** Writes a line to standard error, which is the function's log and comes back with a call that fails. */
export function log(line: string): void {
  const bytes = String.UTF8.encode(line + "\n");
  const vector = new StaticArray<usize>(3); // the address, the size, and what was written
  vector[0] = changetype<usize>(bytes);
  vector[1] = bytes.byteLength;
  const at = changetype<usize>(vector);
  fd_write(STDERR, at, 1, at + 2 * sizeof<usize>());
}

/** Ends the call with an exit code: 0 is success. */
export function exit(code: i32): void {
  proc_exit(code);
}

/**
 * What AssemblyScript calls when something throws: the module is built with --use abort=shoal_abort. The call fails with the
 * message and its place on standard error.
 */
// @ts-ignore: decorator
@global
export function shoal_abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log((message == null ? "abort" : message) + " at " + (file == null ? "?" : file) + ":" + line.toString() + ":" + column.toString());
  exit(1);
}

/** The seed of Math.random, of the worker's random bytes: the module is built with --use seed=shoal_seed. */
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(buffer: usize, size: i32): i32;

// @ts-ignore: decorator
@global
export function shoal_seed(): f64 {
  const word = new StaticArray<u64>(1);
  random_get(changetype<usize>(word), 8);
  return reinterpret<f64>(word[0]);
}
