import { State, chain, input, output } from "shoal/assembly";
export { malloc } from "shoal/assembly/chain";

function bytes(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

export function handle(): i32 {
  const out = new Array<u8>();
  const add = (more: Uint8Array, to: Array<u8>): void => {
    for (let i = 0; i < more.length; i++) to.push(more[i]);
  };
  const first = chain("upper", input());
  const second = chain("upper", bytes("!x")).output();
  add(first.output(), out);
  add(second, out);
  add(bytes(chain("fail", bytes("")).wait().toString()), out);
  const key = new State("k"), list = new State("l");
  key.lockWrite();
  key.write(bytes("0123456789"));
  key.writeAt(10, 2, bytes("ab"));
  key.push();
  key.pull(10);
  const part = key.readAt(10, 3, 3);
  list.append(bytes("one"));
  list.append(bytes("two"));
  key.unlockWrite();
  add(key.read(), out);
  add(part, out);
  add(list.readAppended(2, 6), out);
  list.clearAppended();
  const all = new Uint8Array(out.length);
  for (let i = 0; i < out.length; i++) all[i] = out[i];
  output(all);
  return 0;
}
