// Opens a page in headless Chromium, cut off from the network:
//   node open_page.mjs CHROMIUM URL WIDTH SCHEME SCREENSHOT
//
// WIDTH is the window's, in pixels; SCHEME is light or dark. Everything that can be unfolded is.
// Prints JSON: the page's requests and errors, the texts of its charts, those of its places for
// charts that stay empty, and by how many pixels it is wider than the window.

import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const [executablePath, url, width, colorScheme, screenshot] = process.argv.slice(2);
const args = ["--no-first-run", "--disable-gpu", "--disable-background-networking"];
// Chromium refuses to run as root in its sandbox, which is what containers do.
if (process.getuid() === 0) args.push("--no-sandbox");

const browser = await chromium.launch({ executablePath, args });
const viewport = { width: Number(width), height: 1100 };
const page = await browser.newPage({ offline: true, viewport, colorScheme });
const requests = [];
const errors = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => errors.push(error.message));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
await page.goto(url);
await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
await page.waitForSelector("svg text");
// Two frames: what has been unfolded is measured in the first and drawn by the second.
await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const found = await page.evaluate(() => ({
  texts: [...document.querySelectorAll("svg text")].map((text) => text.textContent),
  labels: [...document.querySelectorAll("svg[aria-label]")].map((svg) => svg.getAttribute("aria-label")),
  empty: [...document.querySelectorAll("[data-chart]:empty")].map((place) => place.dataset.chart),
  tooWide: document.documentElement.scrollWidth - window.innerWidth,
}));
await page.screenshot({ path: screenshot, fullPage: true });
console.log(JSON.stringify({ requests, errors, ...found }));
await browser.close();
