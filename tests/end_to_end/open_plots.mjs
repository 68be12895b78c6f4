// Opens the page of `dvc plots` in headless Chromium, cut off from the network:
//   node open_plots.mjs CHROMIUM URL SCREENSHOT
// Prints JSON: the page's requests and errors, its texts, and how many lines its charts have.

import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const [executablePath, url, screenshot] = process.argv.slice(2);
const args = ["--no-first-run", "--disable-gpu", "--disable-background-networking"];
// Chromium refuses to run as root in its sandbox, which is what containers do.
if (process.getuid() === 0) args.push("--no-sandbox");

const browser = await chromium.launch({ executablePath, args });
const page = await browser.newPage({ offline: true, viewport: { width: 1280, height: 1100 } });
const requests = [];
const errors = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => errors.push(error.message));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
await page.goto(url);
await page.waitForSelector(".mark-line path");
const found = await page.evaluate(() => ({
  texts: [...document.querySelectorAll("svg text")].map((text) => text.textContent),
  lines: document.querySelectorAll(".mark-line path").length,
}));
await page.screenshot({ path: screenshot });
console.log(JSON.stringify({ requests, errors, ...found }));
await browser.close();
