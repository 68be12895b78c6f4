// ---- the model -------------------------------------------------------------------------------

function decodeBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}

async function loadModel() {
  tf.enableProdMode();
  await tf.setBackend("cpu");
  // TF.js would drop a byte order mark at the start of a string, and look up another string.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  tf.env().platform.decode = (bytes) => decoder.decode(bytes);
  const artifacts = await tf.io.getModelArtifactsForJSON(job.model.topology, async (manifest) => [
    manifest.flatMap((group) => group.weights),
    decodeBase64(job.model.weights),
  ]);
  return tf.loadGraphModel(tf.io.fromMemory(artifacts));
}

/** Predicts many rows at once; returns one array of outputs per row. */
async function predict(rows) {
  const tensors = job.columns.map((column) => {
    const cells = rows.map((row) => modelValue(column, row[column.name]));
    const shape = Array.isArray(cells[0]) ? [rows.length, cells[0].length] : [rows.length];
    return [column.key, tf.tensor(cells.flat(), shape, column.type)];
  });
  // A copy, because executeAsync adds the model's lookup tables to the object that it is given.
  const output = await (await model).executeAsync(Object.fromEntries(tensors), "predictions");
  const values = await output.data();
  const width = values.length / rows.length;
  tf.dispose([output, ...tensors.map(([, tensor]) => tensor)]);
  return rows.map((_, index) => Array.from(values.slice(index * width, (index + 1) * width)));
}

// ---- the answer ------------------------------------------------------------------------------

const percent = (value) => `${(100 * value).toFixed(2)}%`;
const plain = (value) => Number(value.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 });
const positive = () => String(job.classes[1]);

const TASKS = {
  binary: {
    caption: () => `probability of ${job.label} = ${positive()}`,
    number: ([value]) => percent(value),
    detail: ([value]) => [scale(value), exact(value)],
    decision: ([value]) => {
      const above = value >= job.threshold;
      const side = above ? "at or above" : "below";
      return `Decision: ${job.label} = ${job.classes[above ? 1 : 0]}, ${side} the threshold ${plain(job.threshold)}`;
    },
    measure: ([value]) => value,
    measured: () => `probability of ${job.label} = ${positive()}`,
    text: percent,
  },
  multiclass: {
    caption: () => `most probable ${job.label}`,
    number: (values) => String(job.classes[indexOfMaximum(values)]),
    detail: (values) => [classBars(values)],
    decision: (values) => `with a probability of ${percent(Math.max(...values))}`,
    measure: (values) => values[whatIf.index],
    measured: () => `probability of ${job.label} = ${job.classes[whatIf.index]}`,
    text: percent,
  },
  regression: {
    caption: () => `predicted ${job.label}`,
    number: ([value]) => plain(value),
    detail: ([value]) => [exact(value)],
    decision: () => "",
    measure: ([value]) => value,
    measured: () => `predicted ${job.label}`,
    text: plain,
  },
};
const task = TASKS[job.task];

const indexOfMaximum = (values) => values.indexOf(Math.max(...values));

function exact(value) {
  return element("p", { class: "exact" }, String(Math.fround(value)));
}

function scale(value) {
  return element(
    "div",
    { class: "scale", "aria-hidden": "true" },
    element("div", { class: "bar", style: `width:${100 * value}%` }),
    element("div", { class: "threshold", style: `left:${100 * job.threshold}%` }),
  );
}

function classBars(values) {
  const order = values.map((_, index) => index).sort((a, b) => values[b] - values[a]).slice(0, 12);
  return bars(order.map((index) => ({ text: String(job.classes[index]), value: values[index] })), 1);
}

function bars(items, most, current) {
  return element(
    "ul",
    { class: "bars" },
    ...items.map(({ text, value }) =>
      element(
        "li",
        { class: text === current ? "current" : "" },
        element("span", { class: "name" }, text),
        element("span", { class: "track" }, element("span", { style: `width:${(100 * Math.abs(value)) / most}%` })),
        element("span", { class: "value" }, task.text(value)),
      ),
    ),
  );
}

let requested = 0;
let sample = null;

async function update() {
  const request = ++requested;
  const row = readRow();
  let values;
  try {
    [values] = await predict([row]);
  } catch (error) {
    if (!(error instanceof CellError)) throw error;
    refuse(error);
    return;
  }
  // Only the newest answer is shown: an older one may arrive late.
  if (request !== requested) return;
  show(row, values);
  await drawWhatIf(row, values);
}

/** Shows why there is no answer, as while a time is being typed. */
function refuse({ message }) {
  $("answer").textContent = "–";
  $("answer-caption").textContent = message;
  $("answer-detail").replaceChildren();
  $("decision").textContent = "";
}

function show(row, values) {
  const answer = $("answer");
  answer.textContent = task.number(values);
  answer.dataset.prediction = JSON.stringify(values);
  answer.dataset.request = requested;
  $("answer-caption").textContent = task.caption();
  $("answer-detail").replaceChildren(...task.detail(values));
  $("decision").textContent = task.decision(values);
  $("row").textContent = JSON.stringify(row, null, 2);
  $("command").textContent = command(row);
  compare(row, values);
}

function compare(row, values) {
  // A synthetic row has neither a label nor a prediction to compare with.
  const same = sample?.prediction !== undefined && job.columns.every(({ name }) => row[name] === (sample.row[name] ?? null));
  $("compared").hidden = !same;
  if (!same) return;
  const difference = Math.max(...values.map((value, index) => Math.abs(value - sample.prediction[index])));
  const agreement = difference === 0 ? "exactly" : `within ${difference.toExponential(1)}`;
  $("compared").textContent =
    `Test row ${sample.index.toLocaleString("en")}: ${job.label} was ${sample.label}. ` +
    `Keras in Python agrees ${agreement}.`;
}

/** The row as tf.train.Example, since saved_model_cli takes literals alone and NaN is none. */
function command(row) {
  const cells = job.columns.filter(({ name }) => row[name] !== null);
  const features = cells.map(({ name, column_type }) => `${literal(name)}: [${literal(row[name], column_type)}]`);
  const examples = `examples=[{${features.join(", ")}}]`.replaceAll("'", "'\\''");
  return (
    "saved_model_cli run --dir export/saved_model/1 --tag_set serve \\\n" +
    `  --signature_def serving_examples --input_examples '${examples}'`
  );
}

function literal(value, type) {
  // A semicolon would end the argument.
  if (typeof value === "string") return JSON.stringify(value).replaceAll(";", "\\x3b");
  const isWhole = Number.isInteger(value) && Math.abs(value) < 1e15;
  return type.startsWith("float") && isWhole ? value.toFixed(1) : String(value);
}
