import * as env from "./env";

/**
 * A value under a key, which calls and workers of a tenant share. Reads and writes are of this worker's copy; push shows it to
 * others, and pull gets what they pushed.
 */
export class State {
  private name: ArrayBuffer;

  constructor(key: string) {
    this.name = String.UTF8.encode(key, true);
  }

  private get key(): usize {
    return changetype<usize>(this.name);
  }

  /** The size of the value in bytes; 0 when there is none. */
  get size(): i32 {
    const size = env.readState(this.key, 0, 0);
    if (size < 0) throw new Error("state: the worker answers errno " + (-size).toString());
    return size;
  }

  /** The value; empty when there is none. */
  read(): Uint8Array {
    const value = new Uint8Array(this.size);
    if (value.byteLength > 0) env.readState(this.key, value.dataStart, value.byteLength);
    return value;
  }

  /** A part of a value of total bytes. */
  readAt(total: i32, offset: i32, size: i32): Uint8Array {
    const part = new Uint8Array(size);
    env.readStateOffset(this.key, total, offset, part.dataStart, size);
    return part;
  }

  /** Makes bytes the value, on this worker. */
  write(value: Uint8Array): void {
    env.writeState(this.key, value.dataStart, value.byteLength);
  }

  /** Writes a part of a value of total bytes, on this worker. */
  writeAt(total: i32, offset: i32, part: Uint8Array): void {
    env.writeStateOffset(this.key, total, offset, part.dataStart, part.byteLength);
  }

  /** Puts what was written into the global tier. */
  push(): void {
    env.pushState(this.key);
  }

  /** Gets size bytes of the value from the global tier. */
  pull(size: i32): void {
    env.pullState(this.key, size);
  }

  /** Appends an element to the key's list, for all workers at once. */
  append(element: Uint8Array): void {
    env.appendState(this.key, element.dataStart, element.byteLength);
  }

  /** The first count elements of the key's list, one behind the other, size bytes in all. */
  readAppended(count: i32, size: i32): Uint8Array {
    const elements = new Uint8Array(size);
    env.readAppendedState(this.key, elements.dataStart, size, count);
    return elements;
  }

  /** Empties the key's list. */
  clearAppended(): void {
    env.clearAppendedState(this.key);
  }

  /** Locks of the value on this worker: many may read, or one write. */
  lockRead(): void {
    env.lockStateRead(this.key);
  }

  unlockRead(): void {
    env.unlockStateRead(this.key);
  }

  lockWrite(): void {
    env.lockStateWrite(this.key);
  }

  unlockWrite(): void {
    env.unlockStateWrite(this.key);
  }

  /** A lock of the value on all workers. */
  lockGlobal(): void {
    env.lockStateGlobal(this.key);
  }

  unlockGlobal(): void {
    env.unlockStateGlobal(this.key);
  }
}
