// ---- models ----------------------------------------------------------------------------------

function leaderboard(width, _, container) {
  const metrics = Object.keys(champion.metrics);
  const chosen = container.dataset.metric ?? facts.champion.metric;
  const options = metrics.map((metric) => {
    const option = element("option", { value: metric }, metricName(metric));
    option.selected = metric === chosen;
    return option;
  });
  const select = element("select", { "aria-label": "Metric" }, ...options);
  select.addEventListener("change", () => {
    container.dataset.metric = select.value;
    draw(container);
    container.querySelector("select").focus();
  });
  const data = byModel.map((model) => ({ model, ...facts.models[model].metrics[chosen] })).filter(({ value }) => value !== undefined);
  const best = d3.sort(data, ({ value }) => (facts.lowerIsBetter.includes(chosen) ? value : -value));
  const baseline = champion.baseline[chosen];
  const chart = plot(width, `${metricName(chosen)} by model with 95% intervals`, {
    height: data.length * 34 + 64,
    marginLeft: 110,
    x: { label: metricName(chosen), grid: true },
    y: { label: null, tickSize: 0, domain: best.map(({ model }) => model) },
    marks: [
      baseline === undefined ? null : Plot.ruleX([baseline], CHANCE),
      baseline === undefined ? null : Plot.text(["a constant prediction"], { x: [baseline], frameAnchor: "top", textAnchor: baseline < best[0].value ? "start" : "end", dy: -10, fill: "var(--soft)" }),
      Plot.ruleY(data, { y: "model", x1: "low", x2: "high", stroke: (row) => modelColor(row.model), strokeWidth: 3 }),
      Plot.dot(data, { y: "model", x: "value", fill: (row) => modelColor(row.model), r: 6 }),
      Plot.tip(data, Plot.pointerY({ y: "model", x: "value", title: (row) => [row.model, short(row.value), ...(row.low === null ? [] : [`${short(row.low)} to ${short(row.high)}`])].join("\n") })),
    ],
  });
  return [metrics.length > 1 ? element("div", { class: "choice" }, "Metric ", select) : "", chart];
}

// A net takes a few epochs and a forest hundreds of trees: each has a chart of its own.
function history(width) {
  const unit = (model) => (facts.models[model].fitted.settings.kind === "boosted_trees" ? "tree" : "epoch");
  const trained = onTop.filter((model) => facts.models[model].history.length);
  return d3.groups(trained, unit).flatMap(([unit, models]) => [
    legend(byModel.filter((model) => models.includes(model)), modelColor),
    losses(width, models, unit),
  ]);
}

const RING = 6;

function losses(width, models, unit) {
  const rows = models.flatMap((model) => facts.models[model].history.map((row) => ({ model, ...row })));
  const kept = models.map((model) => ({ model, ...d3.least(facts.models[model].history, (row) => row.val_loss) }));
  const color = (row) => modelColor(row.model);
  const title = (row) => `${row.model}, ${unit} ${row.epoch}\nvalidation ${short(row.val_loss)}\ntraining ${short(row.loss)}`;
  return plot(width, `Training and validation loss by ${unit}`, {
    height: 240,
    x: { label: unit, ticks: d3.ticks(1, d3.max(rows, (row) => row.epoch), Math.min(10, width / 60)).filter(Number.isInteger), tickFormat: "d" },
    y: { label: "loss", grid: true, nice: true, insetBottom: RING },
    marks: [
      Plot.line(rows, { x: "epoch", y: "loss", stroke: color, z: "model", strokeDasharray: "3 4", strokeOpacity: 0.8 }),
      Plot.line(rows, { x: "epoch", y: "val_loss", stroke: color, z: "model", strokeWidth: 2 }),
      Plot.dot(kept, { x: "epoch", y: "val_loss", stroke: color, r: RING, strokeWidth: 2 }),
      Plot.tip(rows, Plot.pointer({ x: "epoch", y: "val_loss", title })),
    ],
  });
}

function curve(name, x, y) {
  return onTop.flatMap((model) => {
    const points = facts.models[model].diagnostics[name];
    return points ? points[x].map((value, i) => ({ model, [x]: value, [y]: points[y][i], threshold: points.threshold?.[i] })) : [];
  });
}

function curveChart(width, options) {
  const { data, x, y, reference, title, extra = [], domain = [0, 1] } = options;
  const models = byModel.filter((model) => data.some((row) => row.model === model));
  const chart = plot(width, options.label, {
    ...square(width),
    x: { label: options.xLabel, domain, nice: true, ticks: 5 },
    y: { label: options.yLabel, domain, nice: true, ticks: 5, grid: true },
    marks: [
      Plot.line(reference, { x: "0", y: "1", ...CHANCE }),
      ...extra,
      Plot.line(data, { x, y, z: "model", stroke: (row) => modelColor(row.model), strokeWidth: 2, curve: options.curve }),
      Plot.tip(data, Plot.pointer({ x, y, title })),
    ],
  });
  return [legend(models, modelColor), chart];
}

function roc(width) {
  return curveChart(width, {
    data: curve("roc", "fpr", "tpr"),
    x: "fpr",
    y: "tpr",
    xLabel: "false positive rate",
    yLabel: "true positive rate",
    label: "ROC curves",
    reference: [[0, 0], [1, 1]],
    title: (row) => `${row.model}\ntrue positives ${percent(row.tpr)}\nfalse positives ${percent(row.fpr)}\nthreshold ${short(row.threshold)}`,
  });
}

function pr(width) {
  const [negatives, positives] = champion.diagnostics.confusion.counts.map((row) => d3.sum(row));
  const prevalence = positives / (negatives + positives);
  return curveChart(width, {
    data: curve("pr", "recall", "precision"),
    x: "recall",
    y: "precision",
    xLabel: "recall",
    yLabel: "precision",
    label: "Precision by recall",
    reference: [[0, prevalence], [1, prevalence]],
    title: (row) => `${row.model}\nprecision ${percent(row.precision)}\nrecall ${percent(row.recall)}${row.threshold === undefined || row.threshold === null ? "" : `\nthreshold ${short(row.threshold)}`}`,
  });
}

function calibration(width) {
  const data = onTop.flatMap((model) => {
    const bins = facts.models[model].diagnostics.calibration;
    return bins.predicted.map((predicted, i) => ({ model, predicted, observed: bins.observed[i], low: bins.low?.[i], high: bins.high?.[i], rows: bins.rows[i] }));
  });
  const highest = Math.min(1, 1.05 * d3.max(data, (row) => Math.max(row.predicted, row.high ?? row.observed)));
  const own = data.filter((row) => row.model === facts.champion.model && row.low !== undefined);
  return curveChart(width, {
    data,
    x: "predicted",
    y: "observed",
    xLabel: "predicted probability",
    yLabel: "observed share",
    label: "Calibration",
    domain: [0, highest],
    reference: [[0, 0], [highest, highest]],
    extra: [
      Plot.ruleX(own, { x: "predicted", y1: "low", y2: "high", stroke: modelColor(facts.champion.model), strokeOpacity: 0.5 }),
      Plot.dot(data, { x: "predicted", y: "observed", fill: (row) => modelColor(row.model), r: 3 }),
    ],
    title: (row) => `${row.model}\npredicted ${percent(row.predicted)}\nobserved ${percent(row.observed)}\n${count(row.rows)} rows`,
  });
}

function confusion() {
  const { labels, counts } = champion.diagnostics.confusion;
  const table = (matrix, threshold) => {
    const head = labels.map((label) => element("th", { scope: "col", class: "n" }, `predicted ${label}`));
    const rows = matrix.map((row, i) => {
      const total = d3.sum(row);
      const cells = row.map((value) => {
        const share = total ? value / total : 0;
        return element("td", { style: `--share:${share.toFixed(3)}` }, element("b", {}, count(value)), element("small", {}, percent(share)));
      });
      return element("tr", {}, element("th", { scope: "row" }, `really ${labels[i]}`), ...cells);
    });
    const nodes = [
      element("div", { class: "scroll", tabindex: "0" }, element("table", { class: "confusion" }, element("thead", {}, element("tr", {}, element("td", { style: "background:none" }), ...head)), element("tbody", {}, ...rows))),
    ];
    if (threshold !== undefined) nodes.push(measures(matrix));
    return nodes;
  };
  return champion.diagnostics.roc ? explorer(table) : table(counts);
}

function measures([[trueNegative, falsePositive], [falseNegative, truePositive]]) {
  const ratio = (a, b) => (b ? percent(a / b) : "–");
  const all = trueNegative + falsePositive + falseNegative + truePositive;
  const items = {
    precision: ratio(truePositive, truePositive + falsePositive),
    recall: ratio(truePositive, truePositive + falseNegative),
    accuracy: ratio(truePositive + trueNegative, all),
    flagged: ratio(truePositive + falsePositive, all),
  };
  return element("p", { class: "measures" }, ...Object.entries(items).map(([name, value]) => element("span", {}, `${name} `, element("b", {}, value))));
}

/** Redraws the matrix for the threshold of a slider; the ROC curve holds all that it needs. */
function explorer(table) {
  const { fpr, tpr, threshold } = champion.diagnostics.roc;
  const { counts } = champion.diagnostics.confusion;
  const [negatives, positives] = counts.map((row) => d3.sum(row));
  const slider = document.getElementById("threshold");
  const container = element("div");
  // The slider runs from low thresholds to high ones, the curve from high to low.
  const index = () => threshold.length - 1 - Number(slider.value);
  const show = (matrix, value) => {
    document.getElementById("threshold-value").textContent = short(value);
    container.replaceChildren(...table(matrix, value));
  };
  slider.oninput = () => {
    const i = index();
    const [falsePositive, truePositive] = [Math.round(fpr[i] * negatives), Math.round(tpr[i] * positives)];
    show([[negatives - falsePositive, falsePositive], [positives - truePositive, truePositive]], Math.min(threshold[i], 1));
  };
  const nearest = d3.leastIndex(threshold, (value) => Math.abs(value - champion.threshold));
  slider.value = threshold.length - 1 - nearest;
  show(counts, champion.threshold);
  return [container];
}

function residuals(width) {
  const { edges, counts } = champion.diagnostics.residuals;
  const bins = counts.map((rows, i) => ({ rows, low: edges[i], high: edges[i + 1] }));
  const title = (bin) => `${short(bin.low)} to ${short(bin.high)}\n${count(bin.rows)} rows`;
  return [
    plot(width, "Histogram of the residuals", {
      ...square(width),
      x: { label: `prediction − ${facts.question.label}` },
      y: { label: "rows", grid: true },
      marks: [
        Plot.rectY(bins, { x1: "low", x2: "high", y: "rows", fill: "var(--c1)", fillOpacity: 0.7, inset: 0.5 }),
        Plot.ruleX([0], CHANCE),
        Plot.ruleY([0]),
        Plot.tip(bins, Plot.pointerX({ x: (bin) => (bin.low + bin.high) / 2, y: "rows", title })),
      ],
    }),
  ];
}

function predicted(width) {
  const { label, prediction } = champion.diagnostics.predicted;
  const points = label.map((value, i) => ({ label: value, prediction: prediction[i] }));
  const [low, high] = d3.extent([...label, ...prediction]);
  return [
    plot(width, "Prediction by label", {
      ...square(width),
      x: { label: facts.question.label, domain: [low, high], nice: true },
      y: { label: "prediction", domain: [low, high], grid: true, nice: true },
      marks: [
        Plot.line([[low, low], [high, high]], CHANCE),
        Plot.dot(points, { x: "label", y: "prediction", fill: "var(--c1)", fillOpacity: 0.4, r: 2.5 }),
        Plot.tip(points, Plot.pointer({ x: "label", y: "prediction", title: (row) => `label ${short(row.label)}\nprediction ${short(row.prediction)}` })),
      ],
    }),
  ];
}

// ---- importance, slices, parity --------------------------------------------------------------

function importance(width) {
  const rows = d3.sort(champion.diagnostics.importance, (row) => -row.drop);
  return [
    plot(width, "Permutation importance by column", {
      height: rows.length * 22 + 64,
      marginTop: 12,
      marginLeft: Math.min(170, 24 + 7.2 * d3.max(rows, (row) => row.column.length)),
      x: { label: `${metricName(facts.champion.metric)}, worse by`, grid: true },
      y: { label: null, tickSize: 0, domain: rows.map((row) => row.column) },
      marks: [
        Plot.barX(rows, { x: "drop", y: "column", fill: "var(--c1)", fillOpacity: 0.75, insetTop: 2, insetBottom: 2 }),
        Plot.ruleY(rows, { x1: "low", x2: "high", y: "column", stroke: "var(--ink)" }),
        Plot.ruleX([0]),
        Plot.tip(rows, Plot.pointerY({ x: "drop", y: "column", title: (row) => `${row.column}\n${short(row.drop)}\n${short(row.low)} to ${short(row.high)}` })),
      ],
    }),
  ];
}

function slices(width) {
  const metric = facts.champion.metric;
  const rows = champion.diagnostics.slices
    .filter((slice) => slice.metrics[metric])
    .map((slice) => ({ ...slice, ...slice.metrics[metric], name: `${slice.value ?? "(missing)"} (${count(slice.rows)})` }));
  return d3.groups(rows, (row) => row.column).map(([column, group]) =>
    plot(width, `${metricName(metric)} by ${column}`, {
      height: group.length * 24 + 78,
      marginLeft: Math.min(200, 24 + 7.2 * d3.max(group, (row) => row.name.length)),
      x: { label: metricName(metric), grid: true },
      y: { label: column, tickSize: 0, domain: group.map((row) => row.name) },
      marks: [
        Plot.ruleX([facts.champion.value], CHANCE),
        Plot.ruleY(group, { x1: "low", x2: "high", y: "name", stroke: "var(--c1)", strokeWidth: 2 }),
        Plot.dot(group, { x: "value", y: "name", fill: "var(--c1)", r: 4.5 }),
        Plot.tip(group, Plot.pointerY({ x: "value", y: "name", title: (row) => `${column} = ${row.value}\n${short(row.value)}\n${count(row.rows)} rows` })),
      ],
    }),
  );
}

function parity(width) {
  // Zero has no place on a logarithmic axis: equal to the last bit is drawn at its left end.
  const FLOOR = 1e-9;
  const rows = facts.parity.runtimes.map((run) => ({ ...run, name: `${facts.runtimeNames[run.runtime]} ${run.variant}`, at: Math.max(run.max_difference, FLOOR) }));
  const color = (row) => (row.passed ? "var(--good)" : "var(--bad)");
  const title = (row) => `${row.name}\nlargest ${short(row.max_difference)}\nmean ${short(row.mean_difference)}\nbound ${short(row.bound)}`;
  const domain = [FLOOR, 3 * d3.max(rows, (row) => Math.max(row.at, row.bound))];
  const ticks = d3.range(-9, Math.ceil(Math.log10(domain[1])), width < 500 ? 3 : 1).map((exponent) => 10 ** exponent);
  return [
    plot(width, "Largest difference from Keras by runtime", {
      height: rows.length * 28 + 60,
      marginTop: 12,
      marginLeft: 10 + 6.6 * d3.max(rows, (row) => row.name.length),
      x: { type: "log", label: "largest difference", domain, ticks, grid: true, tickFormat: (value) => (value === FLOOR ? "0" : d3.format("~e")(value)) },
      y: { label: null, tickSize: 0, domain: rows.map((row) => row.name) },
      marks: [
        Plot.ruleY(rows, { y: "name", x1: FLOOR, x2: "at", stroke: color, strokeWidth: 3 }),
        Plot.dot(rows, { y: "name", x: "at", fill: color, r: 5 }),
        Plot.tickX(rows, { y: "name", x: "bound", stroke: "var(--ink)", strokeWidth: 2, insetTop: 4, insetBottom: 4 }),
        Plot.tip(rows, Plot.pointerY({ y: "name", x: "at", title })),
      ],
    }),
  ];
}
