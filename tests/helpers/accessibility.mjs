// What axe-core finds wrong with a page, in light and in dark colours.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf-8");

/** Returns one line for each violation: colour scheme, rule, first element that breaks it. */
export async function violations(page) {
  const found = [];
  await page.evaluate(AXE);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Buttons fade from one colour to the other.
    await page.waitForTimeout(300);
    const result = await page.evaluate("axe.run()");
    for (const { id, nodes } of result.violations) {
      found.push(`${colorScheme}: ${id} (${nodes.length}): ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
    }
  }
  return found;
}
