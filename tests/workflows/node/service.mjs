// GitHub's own code behind one line of JSON per request on standard input, one per answer on standard output.
//
//   {"evaluate": "<expression>", "contexts": {...}, "status": {"success": true, ...}, "hashFiles": ""}
//   {"validate": "<path>", "files": {"<path>": "<content>"}, "actions": {"owner/name": {"inputs": {...}}}}
//
// usage: node service.mjs FOLDER-WITH-NODE_MODULES
import { registerHooks } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const anchor = pathToFileURL(`${process.argv[2]}/index.mjs`).href;
registerHooks({
  // The packages are not beside this file, and import JSON without saying so, which Node refuses.
  resolve(specifier, context, next) {
    const found = next(specifier, context.parentURL === import.meta.url ? { ...context, parentURL: anchor } : context);
    return found.url.endsWith(".json") ? { ...found, importAttributes: { type: "json" } } : found;
  },
});
const { data, Evaluator, Lexer, Parser } = await import("@actions/expressions");

function toData(value) {
  if (value === null || value === undefined) return new data.Null();
  if (typeof value === "string") return new data.StringData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(toData));
  return new data.Dictionary(...Object.entries(value).map(([key, one]) => ({ key, value: toData(one) })));
}

function fromData(value) {
  switch (value.kind) {
    case data.Kind.Null: return null;
    case data.Kind.Array: return value.values().map(fromData);
    case data.Kind.Dictionary: return Object.fromEntries(value.pairs().map(({ key, value: one }) => [key, fromData(one)]));
    default: return value.value;
  }
}

function evaluate({ evaluate: expression, contexts, status, hashFiles }) {
  const answers = { ...Object.fromEntries(Object.entries(status).map(([name, is]) => [name, new data.BooleanData(is)])),
    hashFiles: new data.StringData(hashFiles ?? "") };
  const functions = Object.entries(answers).map(([name, answer]) => ({ name, description: "", minArgs: 0, maxArgs: 255, call: () => answer }));
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), functions).parse();
  const byName = new Map(functions.map((one) => [one.name.toLowerCase(), one]));
  const found = new Evaluator(tree, toData(contexts), byName).evaluate();
  return { value: fromData(found), text: found.coerceString() };
}

let validator;
let revision = 0;
async function validateFile({ validate, files, actions }) {
  validator ??= { ...(await import("@actions/languageservice")), ...(await import("vscode-languageserver-textdocument")) };
  const fileProvider = { getFileContent: async (reference) => {
    const path = String(reference.path ?? reference).replace(/^\.\//, "");
    if (!(path in files)) throw new Error(`there is no ${path}`);
    return { name: path, content: files[path] };
  } };
  const actionsMetadataProvider = { fetchActionMetadata: async (action) => actions[`${action.owner}/${action.name}`.toLowerCase()] };
  // What was found is kept by address, so each text gets one of its own.
  const text = validator.TextDocument.create(`file:///${++revision}/${validate}`, "yaml", 1, files[validate]);
  const found = await validator.validate(text, { fileProvider, actionsMetadataProvider });
  return { findings: found.map((one) => ({ line: one.range.start.line + 1, message: one.message, severity: one.severity ?? 1 })) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = "evaluate" in request ? evaluate(request) : await validateFile(request);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
