// Drives a page in headless Chromium, cut off from the network, as a user would:
//   node drive_page.mjs CHROMIUM URL STEPS
//
// STEPS is JSON, a list of [action, …arguments]; an action is one of ACTIONS. Prints JSON: what the
// page showed after each step, what it should not have done (requests, errors), and what axe-core
// finds wrong, 1,280 and 390 pixels wide.

import { createRequire } from "node:module";

import { violations } from "../helpers/accessibility.mjs";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const [executablePath, url, steps] = process.argv.slice(2);
const quiet = ["gpu", "background-networking", "component-update", "sync"];
const args = ["--no-first-run", ...quiet.map((feature) => `--disable-${feature}`)];
// Chromium refuses to run as root in its sandbox, which is what containers do.
if (process.getuid() === 0) args.push("--no-sandbox");

const browser = await chromium.launch({ executablePath, args });
const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 860 } });
const page = await context.newPage();
const requests = [];
const errors = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => errors.push(error.message));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));

const field = (column) => page.locator(`[data-column="${column}"]`);
const ACTIONS = {
  address: (row) => page.goto(`${url}#row=${encodeURIComponent(JSON.stringify(row))}`),
  type: (column, text) => field(column).locator("input:not([type=range]):visible").fill(text),
  choose: (column, label) => field(column).locator("select").selectOption({ label }),
  missing: (column) => field(column).locator("button.missing").click(),
  click: (id) => page.locator(`#${id}`).click(),
  focus: (column) => field(column).locator("input, select").first().focus(),
};

async function shown() {
  // The page counts its requests, and an answer says which of them it belongs to.
  await page.waitForFunction("Number(document.getElementById('answer').dataset.request) === requested");
  const text = (id) => page.locator(`#${id}`).textContent();
  return {
    prediction: JSON.parse(await page.locator("#answer").getAttribute("data-prediction")),
    answer: await text("answer"),
    decision: await text("decision"),
    row: JSON.parse(await text("row")),
    command: await text("command"),
    compared: await text("compared"),
  };
}

await page.goto(url);
const states = [await shown()];
for (const [action, ...values] of JSON.parse(steps)) {
  await ACTIONS[action](...values);
  states.push(await shown());
}
const inaccessible = await violations(page);
await page.setViewportSize({ width: 390, height: 860 });
inaccessible.push(...(await violations(page)));
console.log(JSON.stringify({ states, requests: [...new Set(requests)], errors, inaccessible }));
await browser.close();
