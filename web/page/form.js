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
