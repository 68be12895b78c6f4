// Runs a TF.js model on raw rows, an example for your own server:
// node predict.mjs --model DIR --signature FILE --rows FILE --output FILE --backend cpu
//
// signature:   signature.json, which says what an application makes of a cell; cells.cjs does it
// rows:        {column: [cell, …]}: a cell as it stands in the table, a number, or null for missing
// predictions: {"shape": [n] or [n, c], "predictions": [numbers, row by row]}, NaN and the
//              infinities as strings, since JSON has no such numbers

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const { CellError, modelValue } = require("./cells.cjs");
const BACKENDS = ["cpu", "wasm"];
// Keeps the memory flat: a one-hot crossed column takes thousands of floats per row.
const BATCH_SIZE = 1024;

class InputError extends Error {}

function parseArguments() {
  const names = ["model", "signature", "rows", "output", "backend"];
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
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new InputError(`${path}: expected a file that can be read, found ${error.code}.`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new InputError(`${path}: expected JSON in UTF-8, found something else.`);
  }
}

function readRows(path, inputs) {
  const columns = readJson(path);
  if (typeof columns !== "object" || columns === null || !Object.values(columns).every(Array.isArray)) {
    throw new InputError(`${path}: expected {column: [cell, …]}, found something else.`);
  }
  const expected = inputs.map(({ name }) => name);
  const missing = expected.filter((name) => !Object.hasOwn(columns, name));
  const unknown = Object.keys(columns).filter((name) => !expected.includes(name));
  if (missing.length || unknown.length) {
    throw new InputError(
      `${path}: expected the columns of the signature, found missing [${missing}], unknown [${unknown}].`,
    );
  }
  const counts = new Set(Object.values(columns).map((cells) => cells.length));
  if (counts.size !== 1) {
    throw new InputError(`${path}: expected columns of one length, found lengths ${[...counts]}.`);
  }
  const values = inputs.map((about) => columns[about.name].map((cell) => modelValue(about, cell)));
  return { values, count: [...counts][0] };
}

function readSignature(path) {
  const { inputs } = readJson(path);
  if (!Array.isArray(inputs)) throw new InputError(`${path}: expected the key inputs, found none.`);
  return inputs;
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

function checkInputs(model, inputs, path) {
  // The model lists lookup tables too; they are its own and are not fed.
  const listed = Object.entries(model.modelSignature.inputs);
  const expected = listed.filter(([, input]) => input.dtype !== "DT_RESOURCE").map(([name]) => name);
  const keys = inputs.map(({ key }) => key);
  if (expected.length !== keys.length || !expected.every((name) => keys.includes(name))) {
    throw new InputError(`${path}: expected the model's inputs [${expected}], found [${keys}].`);
  }
}

function outputShape(model) {
  return model.modelSignature.outputs.predictions.tensorShape.dim.map(({ size }) => Number(size));
}

async function predictBatch(tf, model, inputs, rows, start) {
  const tensors = inputs.map((about, index) => {
    const batch = rows.values[index].slice(start, start + BATCH_SIZE);
    // A timestamp or a sequence is an array in each row.
    const shape = Array.isArray(batch[0]) ? [batch.length, batch[0].length] : [batch.length];
    if (about.type === "string") return [about.key, tf.tensor(batch.flat(), shape, "string")];
    return [about.key, tf.tensor(Float32Array.from(batch.flat()), shape)];
  });
  // A copy, because executeAsync adds the model's lookup tables to the object that it is given.
  const predictions = await model.executeAsync(Object.fromEntries(tensors), "predictions");
  const result = { shape: predictions.shape, values: await predictions.data() };
  tf.dispose([predictions, ...tensors.map(([, tensor]) => tensor)]);
  return result;
}

const asJson = (value) => (Number.isFinite(value) ? value : String(value));

async function main() {
  const { model: directory, signature, rows: rowsPath, output, backend } = parseArguments();
  const inputs = readSignature(signature);
  const rows = readRows(rowsPath, inputs);
  const tf = await startBackend(backend);
  const model = await loadModel(tf, directory);
  checkInputs(model, inputs, signature);
  const predictions = [];
  // The model refuses a batch without rows: then the answer has the shape that its signature says.
  let shape = outputShape(model);
  for (let start = 0; start < rows.count; start += BATCH_SIZE) {
    const batch = await predictBatch(tf, model, inputs, rows, start);
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
  if (!(error instanceof InputError || error instanceof CellError || error.syscall)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
