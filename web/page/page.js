"use strict";

const job = JSON.parse(document.getElementById("job").textContent);
const $ = (id) => document.getElementById(id);
const OTHER = "\u0000other";

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// ---- the row: {column: number | string | null}, null = missing -------------------------------

function readRow() {
  return Object.fromEntries([...fields].map(([name, field]) => [name, field.read()]));
}

function writeRow(row) {
  for (const [name, field] of fields) field.write(row[name] ?? null);
  update();
}

// ---- fields ----------------------------------------------------------------------------------

function makeField(column) {
  const parts = column.input === "number" ? numberField(column) : textField(column);
  const id = `field-${job.columns.indexOf(column)}`;
  parts.control.id = id;
  const missing = element("button", { type: "button", class: "missing", "aria-pressed": "false" }, "missing");
  missing.setAttribute("aria-label", `${column.name} is missing`);
  const container = element(
    "div",
    { class: "field", "data-column": column.name },
    element("div", { class: "label" }, element("label", { for: id }, ...breakable(column.name)), missing),
    ...parts.nodes,
  );
  const mark = () => {
    const isMissing = parts.read() === null;
    missing.setAttribute("aria-pressed", String(isMissing));
    container.classList.toggle("is-missing", isMissing);
  };
  const changed = () => {
    mark();
    update();
  };
  container.addEventListener("input", changed);
  container.addEventListener("focusin", () => explore(column));
  missing.addEventListener("click", () => {
    parts.write(parts.read() === null ? column.default : null);
    changed();
  });
  const write = (value) => {
    parts.write(value);
    mark();
  };
  write(column.default);
  return { container, read: parts.read, write };
}

/** Lets a long name break after its underscores. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
}

function numberField(column) {
  const control = element("input", {
    type: "number",
    inputmode: "decimal",
    step: column.step,
    placeholder: "missing",
  });
  const slider = element("input", {
    type: "range",
    min: column.low,
    max: column.high,
    step: column.step,
    "aria-label": `${column.name}, slider`,
  });
  const read = () => (control.value === "" ? null : Number(control.value));
  control.addEventListener("input", () => (slider.value = read() ?? column.default));
  slider.addEventListener("input", () => (control.value = slider.value));
  const write = (value) => {
    control.value = value ?? "";
    slider.value = value ?? column.default;
  };
  // The step guides the arrows alone: any number is a value that the model may meet.
  control.addEventListener("invalid", (event) => event.preventDefault());
  return { control, read, write, nodes: [control, slider] };
}

function textField(column) {
  const isList = column.values.length > 0 && column.values.length <= 200 && !column.date;
  return isList ? listField(column) : typedField(column);
}

function listField(column) {
  const control = element(
    "select",
    {},
    element("option", { value: "" }, "(missing)"),
    ...column.values.map(([value, text]) => element("option", { value: JSON.stringify(value) }, text)),
    ...(column.numeric ? [] : [element("option", { value: OTHER }, "another value …")]),
  );
  const other = element("input", {
    type: "text",
    hidden: true,
    placeholder: "a value not in the list",
    "aria-label": `${column.name}, another value`,
  });
  control.addEventListener("input", () => {
    other.hidden = control.value !== OTHER;
    if (!other.hidden) other.focus();
  });
  const read = () => {
    if (control.value === OTHER) return other.value === "" ? null : other.value;
    return control.value === "" ? null : JSON.parse(control.value);
  };
  const write = (value) => {
    const listed = value === null || column.values.some(([known]) => known === value);
    control.value = value === null ? "" : listed ? JSON.stringify(value) : OTHER;
    other.hidden = listed;
    other.value = listed ? "" : value;
  };
  return { control, read, write, nodes: [control, other] };
}

function typedField(column) {
  const list = `values-${job.columns.indexOf(column)}`;
  const control = element("input", { type: column.date ? "date" : "text", list, placeholder: "missing" });
  const options = column.values.map(([value]) => element("option", { value }));
  return {
    control,
    read: () => (control.value === "" ? null : control.value),
    write: (value) => (control.value = value ?? ""),
    nodes: [control, element("datalist", { id: list }, ...options)],
  };
}

// ---- the model -------------------------------------------------------------------------------

function decodeBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}

async function loadModel() {
  tf.enableProdMode();
  await tf.setBackend("cpu");
  const artifacts = await tf.io.getModelArtifactsForJSON(job.model.topology, async (manifest) => [
    manifest.flatMap((group) => group.weights),
    decodeBase64(job.model.weights),
  ]);
  return tf.loadGraphModel(tf.io.fromMemory(artifacts));
}

/** Predicts many rows at once; returns one array of outputs per row. */
async function predict(rows) {
  const tensors = job.columns.map(({ name, key, tensor }) => {
    const values = rows.map((row) => row[name]);
    if (tensor === "string") return [key, tf.tensor1d(values.map((value) => value ?? ""), "string")];
    return [key, tf.tensor1d(Float32Array.from(values, (value) => value ?? NaN))];
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
  const [values] = await predict([row]);
  // Only the newest answer is shown: an older one may arrive late.
  if (request !== requested) return;
  show(row, values);
  await drawWhatIf(row, values);
}

function show(row, values) {
  const answer = $("answer");
  answer.textContent = task.number(values);
  answer.dataset.prediction = JSON.stringify(values);
  answer.dataset.request = requested;
  $("answer-caption").textContent = task.caption();
  $("answer-detail").replaceChildren(...task.detail(values));
  $("decision").textContent = task.decision(values);
  $("row").textContent = JSON.stringify(row, null, 1).replace(/\n */g, " ");
  $("command").textContent = command(row);
  compare(row, values);
}

function compare(row, values) {
  const same = sample !== null && job.columns.every(({ name }) => row[name] === (sample.row[name] ?? null));
  $("compared").hidden = !same;
  if (!same) return;
  const difference = Math.max(...values.map((value, index) => Math.abs(value - sample.prediction[index])));
  const agreement = difference === 0 ? "exactly the same" : `the same within ${difference.toExponential(1)}`;
  $("compared").textContent =
    `Test row ${sample.index.toLocaleString("en")}: ${job.label} was ${sample.label}. ` +
    `Keras in Python says ${agreement}.`;
}

/** The row as tf.train.Example, since saved_model_cli takes literals alone and NaN is none. */
function command(row) {
  const cells = job.columns.filter(({ name }) => row[name] !== null);
  const features = cells.map(({ name, type }) => `${literal(name)}: [${literal(row[name], type)}]`);
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

// ---- what if: one column varies, the others stay ---------------------------------------------

const whatIf = { column: job.columns[0], index: 0 };

function explore(column) {
  if (whatIf.column === column) return;
  whatIf.column = column;
  update();
}

async function drawWhatIf(row, values) {
  const { column } = whatIf;
  whatIf.index = indexOfMaximum(values);
  $("what-if-column").textContent = column.name;
  $("what-if-measure").textContent = task.measured();
  const options = candidates(column);
  const rows = options.map(({ value }) => ({ ...row, [column.name]: value }));
  const request = requested;
  const outcomes = (await predict(rows)).map(task.measure);
  if (request !== requested) return;
  const points = options.map((option, index) => ({ ...option, outcome: outcomes[index] }));
  const chart = column.input === "number" ? curve(column, points, row) : choices(points, row[column.name]);
  $("what-if").replaceChildren(chart);
}

function candidates(column) {
  if (column.input !== "number") return column.values.slice(0, 24).map(([value, text]) => ({ value, text }));
  const width = column.high - column.low;
  // Between two whole numbers lies nothing that the model has learned.
  const isWhole = column.type === "int64";
  const steps = isWhole ? Math.min(width, 60) : 60;
  const at = (index) => column.low + (width * index) / steps;
  return Array.from({ length: steps + 1 }, (_, index) => ({ value: isWhole ? Math.round(at(index)) : at(index) }));
}

function choices(points, current) {
  const items = points.map(({ text, outcome }) => ({ text, value: outcome })).sort((a, b) => b.value - a.value);
  const chosen = points.find(({ value }) => value === current);
  const most = Math.max(...items.map(({ value }) => Math.abs(value))) || 1;
  return bars(items, most, chosen?.text);
}

function curve(column, points, row) {
  const [width, height, left, bottom, top] = [640, 240, 96, 38, 14];
  const outcomes = points.map(({ outcome }) => outcome);
  const [low, high] = range(outcomes);
  const x = (value) => left + ((width - left - 12) * (value - column.low)) / (column.high - column.low || 1);
  const y = (value) => height - bottom - ((height - bottom - top) * (value - low)) / (high - low);
  const svg = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "curve" });
  chart.setAttribute("aria-label", `${task.measured()} by ${column.name}: from ${task.text(outcomes[0])} to ${task.text(outcomes.at(-1))}`);
  for (const value of [low, (low + high) / 2, high]) {
    chart.append(
      svg("line", { x1: left, x2: width - 12, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: left - 8, y: y(value) + 4, class: "end" }, task.text(value)),
    );
  }
  for (const value of [column.low, (column.low + column.high) / 2, column.high]) {
    chart.append(svg("text", { x: x(value), y: height - 10, class: "middle" }, plain(value)));
  }
  const path = points.map(({ value, outcome }) => `${x(value).toFixed(1)},${y(outcome).toFixed(1)}`);
  chart.append(svg("polyline", { points: path.join(" "), class: "line" }));
  if (column.type === "int64" && points.length <= 31) {
    chart.append(...points.map(({ value, outcome }) => svg("circle", { cx: x(value), cy: y(outcome), r: 6, class: "dot" })));
  }
  const current = row[column.name];
  if (current !== null && current >= column.low && current <= column.high) {
    chart.append(svg("line", { x1: x(current), x2: x(current), y1: top, y2: height - bottom, class: "here" }));
  }
  return chart;
}

function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low) * 0.08 || Math.abs(high) * 0.05 || 0.5;
  const isProbability = job.task !== "regression";
  return [isProbability ? Math.max(0, low - margin) : low - margin, isProbability ? Math.min(1, high + margin) : high + margin];
}

// ---- start -----------------------------------------------------------------------------------

function showSample(index) {
  const found = job.samples[index % job.samples.length];
  sample = found;
  writeRow(found.row);
}

function rowOfAddress() {
  const text = decodeURIComponent(location.hash.slice(1));
  if (!text.startsWith("row=")) return false;
  sample = null;
  writeRow(JSON.parse(text.slice(4)));
  return true;
}

const fields = new Map(job.columns.map((column) => [column.name, makeField(column)]));
const defaults = Object.fromEntries(job.columns.map(({ name, default: value }) => [name, value]));
const model = loadModel();
let next = 0;

$("fields").append(...[...fields.values()].map(({ container }) => container));
$("form").addEventListener("submit", (event) => event.preventDefault());
$("typical").addEventListener("click", () => writeRow(defaults));
$("all-missing").addEventListener("click", () => writeRow({}));
if ($("sample")) $("sample").addEventListener("click", () => showSample(next++));
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText($(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
window.addEventListener("hashchange", rowOfAddress);
if (!rowOfAddress()) update();
