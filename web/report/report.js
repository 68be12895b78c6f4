// ---- the page --------------------------------------------------------------------------------

const CHARTS = { account, distribution, leaderboard, history, roc, pr, calibration, confusion, residuals, predicted, importance, slices, parity };

function draw(container) {
  const width = Math.floor(container.clientWidth);
  if (width === 0) return;
  container.dataset.width = width;
  container.replaceChildren(...CHARTS[container.dataset.chart](width, container.dataset, container));
}

const containers = [...document.querySelectorAll("[data-chart]")];
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (Math.floor(target.clientWidth) !== Number(target.dataset.width)) draw(target);
  }
});
containers.forEach((container) => resized.observe(container));

for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    const key = button.dataset.sort;
    const list = document.querySelector(".columns");
    const direction = key === "order" ? 1 : -1;
    const entries = [...list.children];
    list.append(...entries.sort((a, b) => direction * (a.dataset[key] - b.dataset[key]) || a.dataset.order - b.dataset.order));
    document.querySelectorAll("[data-sort]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  });
}

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(
  (entries) => {
    const current = entries.filter((entry) => entry.isIntersecting).at(-1);
    if (!current) return;
    links.forEach((link, id) => (id === current.target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    const link = links.get(current.target.id);
    link.parentElement.parentElement.scrollTo({ left: link.offsetLeft - 40 });
  },
  { rootMargin: "-20% 0px -70% 0px" },
);
document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
