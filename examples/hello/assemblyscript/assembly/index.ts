import { inputText, outputText } from "shoal/assembly";

/** Says hello to whoever the input names. */
export function handle(): i32 {
  const name = inputText().trim();
  outputText("Hello, " + (name.length > 0 ? name : "world") + ", from AssemblyScript!\n");
  return 0;
}
