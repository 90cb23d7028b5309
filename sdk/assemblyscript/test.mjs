// A worker in memory, for tests of a built module with Node.js: no Shoal needed.
//
//   import { Worker } from "shoal/test.mjs";
//
//   const worker = new Worker(await readFile("greet.wasm"));
//   const { code, output, log } = worker.call("Ada");
//
// There is one worker and one call at a time: chained calls run when they are made, and pushes, pulls and locks find nothing to
// do.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (value) => (typeof value === "string" ? encoder.encode(value) : new Uint8Array(value));

class Exit extends Error {
  constructor(code) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

export class Worker {
  /** The values of the state, by their keys, and its lists. */
  state = new Map();
  lists = new Map();
  #functions = new Map();
  #calls = [];
  #module;

  /** A worker with a function: the bytes of its module. */
  constructor(wasm) {
    this.#module = new WebAssembly.Module(wasm);
  }

  /** Has calls that are chained by a name run a JavaScript function: bytes in, bytes or a string out; it throws to fail. */
  chain(name, run) {
    this.#functions.set(name, run);
  }

  /** Calls the function, in an instance of its own, and returns its exit code, its output and what it logged. */
  call(input = "") {
    const call = { input: bytesOf(input), output: new Uint8Array(), log: "", code: 0 };
    const instance = new WebAssembly.Instance(this.#module, this.#imports(call, () => instance.exports));
    try {
      instance.exports._initialize?.();
      call.code = instance.exports.handle() ?? 0;
    } catch (err) {
      if (!(err instanceof Exit)) throw err;
      call.code = err.code;
    }
    return { code: call.code, output: call.output, text: decoder.decode(call.output), log: call.log };
  }

  #imports(call, exports) {
    const bytes = (at, size) => new Uint8Array(exports().memory.buffer, at, size);
    const view = () => new DataView(exports().memory.buffer);
    const text = (at) => {
      const all = bytes(at);
      return decoder.decode(all.slice(0, all.indexOf(0)));
    };
    const put = (at, size, from) => {
      const n = Math.min(size, from.length);
      bytes(at, n).set(from.subarray(0, n));
      return n;
    };
    const value = (key, total) => {
      const have = this.state.get(text(key)) ?? new Uint8Array();
      if (have.length >= total) return have;
      const grown = new Uint8Array(total);
      grown.set(have);
      this.state.set(text(key), grown);
      return grown;
    };
    const list = (key) => {
      if (!this.lists.has(text(key))) this.lists.set(text(key), []);
      return this.lists.get(text(key));
    };
    const nothing = () => {};
    const env = {
      __faasm_read_input: (at, size) => (size === 0 ? call.input.length : put(at, size, call.input)),
      __faasm_write_output: (at, size) => {
        call.output = bytes(at, size).slice();
      },
      __faasm_chain_name: (name, at, size) => {
        const run = this.#functions.get(text(name));
        if (run === undefined) throw new Error(`no function ${text(name)} (Worker.chain registers one)`);
        try {
          this.#calls.push({ code: 0, output: bytesOf(run(bytes(at, size).slice())) });
        } catch {
          this.#calls.push({ code: 1, output: new Uint8Array() });
        }
        return this.#calls.length;
      },
      __faasm_await_call: (id) => this.#calls[id - 1].code,
      __faasm_await_call_output: (id, output, size) => {
        const ended = this.#calls[id - 1];
        const at = exports().malloc(ended.output.length);
        put(at, ended.output.length, ended.output);
        view().setUint32(output, at, true);
        view().setUint32(size, ended.output.length, true);
        return ended.code;
      },
      __faasm_read_state: (key, at, size) => {
        const have = value(key, 0);
        put(at, size, have);
        return have.length;
      },
      __faasm_read_state_offset: (key, total, offset, at, size) => {
        put(at, size, value(key, total).subarray(offset));
      },
      __faasm_write_state: (key, at, size) => {
        this.state.set(text(key), bytes(at, size).slice());
      },
      __faasm_write_state_offset: (key, total, offset, at, size) => {
        value(key, total).set(bytes(at, size), offset);
      },
      __faasm_append_state: (key, at, size) => {
        list(key).push(bytes(at, size).slice());
      },
      __faasm_read_appended_state: (key, at, size, count) => {
        for (const element of list(key).slice(0, count)) {
          at += put(at, element.length, element);
        }
      },
      __faasm_clear_appended_state: (key) => {
        this.lists.delete(text(key));
      },
      __faasm_push_state: nothing,
      __faasm_pull_state: nothing,
      __faasm_lock_state_read: nothing,
      __faasm_unlock_state_read: nothing,
      __faasm_lock_state_write: nothing,
      __faasm_unlock_state_write: nothing,
      __faasm_lock_state_global: nothing,
      __faasm_unlock_state_global: nothing,
    };
    const wasi = {
      fd_write: (_fd, vectors, count, written) => {
        let total = 0;
        for (let i = 0; i < count; i++) {
          const at = view().getUint32(vectors + 8 * i, true);
          const size = view().getUint32(vectors + 8 * i + 4, true);
          call.log += decoder.decode(bytes(at, size));
          total += size;
        }
        view().setUint32(written, total, true);
        return 0;
      },
      proc_exit: (code) => {
        throw new Exit(code);
      },
      random_get: (at, size) => {
        crypto.getRandomValues(bytes(at, size));
        return 0;
      },
    };
    return { env, wasi_snapshot_preview1: wasi };
  }
}
