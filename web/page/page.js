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
  if (options.length === 0) {
    $("what-if").replaceChildren("No value is frequent enough to be listed here: type one in the form.");
    return;
  }
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
  const isWhole = column.column_type === "int64";
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
  if (column.column_type === "int64" && points.length <= 31) {
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
