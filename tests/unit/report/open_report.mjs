// Opens reports in headless Chromium, cut off from the network, at a given width:
//   node open_report.mjs CHROMIUM WIDTH URL…
// Prints JSON, for each report: charts (name and how many marks each drew), requests, errors, what
// axe-core finds wrong, and whether the page is wider than the window.

import { createRequire } from "node:module";

import { violations } from "../../helpers/accessibility.mjs";

const require = createRequire(new URL("../../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const [executablePath, width, ...urls] = process.argv.slice(2);
const args = ["--no-first-run", "--disable-gpu", "--disable-background-networking"];
// Chromium refuses to run as root in its sandbox, which is what containers do.
if (process.getuid() === 0) args.push("--no-sandbox");

async function open(browser, url) {
  const page = await browser.newPage({ offline: true, viewport: { width: Number(width), height: 800 } });
  const requests = [];
  const errors = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(url);
  for (const summary of await page.locator("summary").all()) await summary.click();
  await page.waitForFunction("[...document.querySelectorAll('[data-chart]')].every((c) => c.childElementCount)");
  const charts = await page.evaluate(() =>
    [...document.querySelectorAll("[data-chart]")].map((container) => [
      container.dataset.chart,
      container.querySelectorAll("circle, rect, path[d], line, td").length,
    ]),
  );
  const overflows = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
  const inaccessible = await violations(page);
  await page.close();
  return { charts, requests, errors, inaccessible, overflows };
}

const browser = await chromium.launch({ executablePath, args });
const found = [];
for (const url of urls) found.push(await open(browser, url));
console.log(JSON.stringify(found));
await browser.close();
