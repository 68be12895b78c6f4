// Runs a TF.js model on raw rows: node predict.mjs --model DIR --rows FILE --output FILE --backend cpu
//
// rows:        {"columns": {name: [value, …]}, "types": {name: "float32" | "string"}}, null = NaN
// predictions: {"shape": [n] or [n, c], "predictions": [numbers, row by row]}, NaN and the
//              infinities as strings, since JSON has no such numbers

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const BACKENDS = ["cpu", "wasm"];
// Keeps the memory flat: a one-hot crossed column takes thousands of floats per row.
const BATCH_SIZE = 1024;

class InputError extends Error {}

function parseArguments() {
  const names = ["model", "rows", "output", "backend"];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new InputError(`arguments: ${error.message.split("\n")[0]}`);
  }
  for (const name of names) {
    if (values[name] === undefined) throw new InputError(`arguments: expected --${name}, found none.`);
  }
  if (!BACKENDS.includes(values.backend)) {
    throw new InputError(`--backend: expected one of ${BACKENDS}, found ${values.backend}.`);
  }
  return values;
}

function readJson(path) {
  let text;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(`${path}: expected a file that can be read, found ${error.code}.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError(`${path}: expected JSON, found something else.`);
  }
}

function readRows(path) {
  const { columns, types } = readJson(path);
  if (!columns || !types) {
    throw new InputError(`${path}: expected the keys columns and types, found others.`);
  }
  const counts = new Set(Object.values(columns).map((values) => values.length));
  if (counts.size !== 1) {
    throw new InputError(`${path}: expected columns of one length, found lengths ${[...counts]}.`);
  }
  for (const name of Object.keys(columns)) {
    if (!["float32", "string"].includes(types[name])) {
      throw new InputError(`${path}: ${name}: expected the type float32 or string, found ${types[name]}.`);
    }
  }
  return { columns, types, count: [...counts][0] };
}

async function startBackend(name) {
  const tf = require("@tensorflow/tfjs-core");
  tf.enableProdMode();
  const backend = require(`@tensorflow/tfjs-backend-${name}`);
  // Threads would make Node wait for idle workers when it is done.
  if (name === "wasm") backend.setThreadsCount(1);
  if (!(await tf.setBackend(name))) throw new InputError(`TF.js: backend ${name} did not start.`);
  // TF.js would drop a byte order mark at the start of a string, and look up another string.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  tf.env().platform.decode = (bytes) => decoder.decode(bytes);
  return tf;
}

async function loadModel(tf, directory) {
  const model = readJson(join(directory, "model.json"));
  if (model.format !== "graph-model") {
    throw new InputError(`${directory}/model.json: expected a TF.js graph model, found ${model.format}.`);
  }
  const artifacts = await tf.io.getModelArtifactsForJSON(model, async (manifest) => {
    const paths = manifest.flatMap((group) => group.paths);
    const bytes = Buffer.concat(paths.map((path) => readBytes(join(directory, path))));
    return [manifest.flatMap((group) => group.weights), new Uint8Array(bytes).buffer];
  });
  try {
    return await require("@tensorflow/tfjs-converter").loadGraphModel(tf.io.fromMemory(artifacts));
  } catch (error) {
    throw new InputError(`${directory}: expected a whole TF.js model, found a broken one (${error.message}).`);
  }
}

function readBytes(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InputError(`${path}: expected the model's weights, found ${error.code}.`);
  }
}

function checkInputs(model, columns, path) {
  // The signature lists lookup tables too; they are the model's own and are not fed.
  const inputs = Object.entries(model.modelSignature.inputs);
  const expected = inputs.filter(([, input]) => input.dtype !== "DT_RESOURCE").map(([name]) => name);
  const missing = expected.filter((name) => !(name in columns));
  const unknown = Object.keys(columns).filter((name) => !expected.includes(name));
  if (missing.length || unknown.length) {
    throw new InputError(
      `${path}: expected the model's inputs as columns, found missing [${missing}], unknown [${unknown}].`,
    );
  }
}

async function predictBatch(tf, model, rows, start) {
  const tensors = Object.entries(rows.columns).map(([name, values]) => {
    const batch = values.slice(start, start + BATCH_SIZE);
    // A timestamp or a sequence is an array in each row.
    const shape = Array.isArray(batch[0]) ? [batch.length, batch[0].length] : [batch.length];
    if (rows.types[name] === "string") return [name, tf.tensor(batch.flat(), shape, "string")];
    return [name, tf.tensor(Float32Array.from(batch.flat(), (value) => value ?? NaN), shape)];
  });
  // A copy, because executeAsync adds the model's lookup tables to the object that it is given.
  const predictions = await model.executeAsync(Object.fromEntries(tensors), "predictions");
  const result = { shape: predictions.shape, values: await predictions.data() };
  tf.dispose([predictions, ...tensors.map(([, tensor]) => tensor)]);
  return result;
}

const asJson = (value) => (Number.isFinite(value) ? value : String(value));

async function main() {
  const { model: directory, rows: rowsPath, output, backend } = parseArguments();
  const rows = readRows(rowsPath);
  const tf = await startBackend(backend);
  const model = await loadModel(tf, directory);
  checkInputs(model, rows.columns, rowsPath);
  const predictions = [];
  let shape = [0];
  for (let start = 0; start < rows.count; start += BATCH_SIZE) {
    const batch = await predictBatch(tf, model, rows, start);
    shape = batch.shape;
    for (const value of batch.values) predictions.push(asJson(value));
  }
  const temporary = `${output}.${process.pid}.partial`;
  writeFileSync(temporary, JSON.stringify({ shape: [rows.count, ...shape.slice(1)], predictions }));
  renameSync(temporary, output);
}

try {
  await main();
} catch (error) {
  // What the system refuses, such as a full disk, is told as briefly as bad input.
  if (!(error instanceof InputError || error.syscall)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
