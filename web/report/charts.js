"use strict";

const facts = JSON.parse(document.getElementById("charts").textContent);
const champion = facts.models[facts.champion.model];
const modelNames = Object.keys(facts.models);
const splitNames = ["train", "validation", "test"];
const COLORS = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"];
const CHANCE = { stroke: "var(--soft)", strokeDasharray: "4 4" };

// The champion has the first color in every chart, and is drawn last, on top of the others.
const byModel = [facts.champion.model, ...modelNames.filter((name) => name !== facts.champion.model)];
const onTop = byModel.toReversed();
const modelColor = (name) => COLORS[byModel.indexOf(name) % COLORS.length];
const splitColor = (name) => [COLORS[0], COLORS[2], COLORS[1]][splitNames.indexOf(name)];
const metricName = (metric) => facts.metricNames[metric] ?? metric;

// A share that is not zero never reads as zero.
const percent = (share) => (share > 0 && share < 1e-3 ? "< 0.1%" : d3.format(".1%")(share));
const count = d3.format(",");
const short = (value) => (value !== 0 && Math.abs(value) < 1e-3 ? d3.format(".2~e")(value) : d3.format(",.4~g")(value));

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function legend(names, color) {
  if (names.length < 2) return "";
  const entries = names.map((name) => element("span", {}, element("i", { style: `--key:${color(name)}` }), name));
  return element("div", { class: "legend" }, ...entries);
}

function plot(width, label, options) {
  const chart = Plot.plot({
    width,
    marginTop: 30,
    marginLeft: 56,
    marginBottom: 42,
    marginRight: 16,
    style: { fontSize: "12px", fontFamily: "inherit", background: "none" },
    ...options,
  });
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  // An image is named as a whole; names within it are invalid on plain groups.
  for (const part of chart.querySelectorAll("[aria-label], [aria-description]")) {
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  return chart;
}

const square = (width) => ({ height: Math.min(width * 0.8, 360) });

// ---- rows ------------------------------------------------------------------------------------

function account(width) {
  const { flows, rows_read: total } = facts.account;
  const shown = flows.filter(({ rows }) => rows > 0);
  const [height, gap, node, top] = [190, 12, 10, 28];
  // A thin flow still needs a line of text beside it.
  const line = 34;
  const right = Math.min(230, width * 0.5);
  const scale = height / total;
  const svg = d3
    .create("svg")
    .attr("class", "flow")
    .attr("role", "img")
    .attr("aria-label", `${count(total)} rows read: ${shown.map((flow) => `${count(flow.rows)} ${flow.to}`).join(", ")}`);
  let from = top;
  let to = top;
  const end = width - right;
  svg.append("text").attr("x", 0).attr("y", 14).text(`${count(total)} rows read`);
  svg.append("rect").attr("x", 0).attr("y", from).attr("width", node).attr("height", height).attr("rx", 2).attr("fill", "var(--soft)");
  for (const flow of shown) {
    const size = Math.max(flow.rows * scale, 1);
    const color = flow.kept ? splitColor(flow.to) : "var(--c6)";
    const middle = (node + end) / 2;
    const band = `M${node},${from}C${middle},${from} ${middle},${to} ${end},${to}V${to + size}C${middle},${to + size} ${middle},${from + size} ${node},${from + size}Z`;
    svg.append("path").attr("d", band).attr("fill", color).attr("opacity", 0.22);
    svg.append("rect").attr("x", end).attr("y", to).attr("width", node).attr("height", size).attr("rx", Math.min(2, size / 2)).attr("fill", color);
    const text = svg.append("text").attr("x", end + node + 10).attr("y", to + Math.max(size / 2, 8) - 2);
    text.append("tspan").text(flow.to);
    text.append("tspan").attr("class", "detail").attr("x", end + node + 10).attr("dy", 17).text(`${count(flow.rows)} (${percent(flow.rows / total)})`);
    from += flow.rows * scale;
    to += Math.max(size, line) + gap;
  }
  const bottom = Math.max(to, top + height);
  svg.attr("viewBox", [0, 0, width, bottom]).attr("width", width).attr("height", bottom);
  return [svg.node()];
}

// ---- data ------------------------------------------------------------------------------------

function distribution(width, { column: name }) {
  const column = facts.columns.find((other) => other.name === name);
  const key = column.splits.train.edges ? "edges" : "values";
  const splits = splitNames.filter((split) => column.splits[split]?.[key]);
  const draw = key === "edges" ? histogram : categories;
  return [legend(splits, splitColor), draw(width, column, splits)];
}

function histogram(width, column, splits) {
  const bins = splits.flatMap((split) => {
    const { edges, shares } = column.splits[split];
    return shares.map((share, i) => ({ split, share, low: edges[i], high: edges[i + 1] }));
  });
  const title = (bin) => `${bin.split}\n${short(bin.low)} to ${short(bin.high)}\n${percent(bin.share)} of the rows`;
  const outline = splits.map((split) =>
    Plot.line(
      bins.filter((bin) => bin.split === split).flatMap(({ low, high, share }) => [{ x: low, share }, { x: high, share }]),
      { x: "x", y: "share", stroke: splitColor(split), strokeWidth: 2 },
    ),
  );
  return plot(width, `Distribution of ${column.name} by split`, {
    height: 240,
    x: { label: column.name },
    y: { label: "share of the rows", tickFormat: "%", grid: true },
    marks: [
      Plot.rectY(bins.filter((bin) => bin.split === "train"), { x1: "low", x2: "high", y: "share", fill: splitColor("train"), fillOpacity: 0.15 }),
      ...outline,
      Plot.ruleY([0]),
      Plot.tip(bins, Plot.pointer({ x: (bin) => (bin.low + bin.high) / 2, y: "share", title })),
    ],
  });
}

function categories(width, column, splits) {
  const order = column.splits.train.values.map(([value]) => value);
  const dots = splits.flatMap((split) => column.splits[split].values.map(([value, share]) => ({ split, value, share })));
  return plot(width, `Most frequent values of ${column.name} by split`, {
    height: order.length * 22 + 60,
    marginTop: 12,
    marginLeft: Math.min(160, 20 + 7.5 * d3.max(order, (value) => value.length) || 60),
    x: { label: "share of the rows", tickFormat: "%", grid: true, zero: true },
    y: { label: null, tickSize: 0, domain: order, tickFormat: (value) => (value.length > 20 ? `${value.slice(0, 19)}…` : value) },
    marks: [
      Plot.ruleY(dots, Plot.groupY({ x1: "min", x2: "max" }, { x: "share", y: "value", stroke: "var(--line)", strokeWidth: 3 })),
      Plot.dot(dots, { x: "share", y: "value", fill: (dot) => splitColor(dot.split), r: 4.5 }),
      Plot.tip(dots, Plot.pointer({ x: "share", y: "value", title: ({ split, value, share }) => `${value}\n${split}: ${percent(share)} of the rows` })),
    ],
  });
}
