"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /* What a cell sorts by: its first number, else its words. */
  function value(cell) {
    const text = cell.textContent.trim();
    const number = parseFloat(text.replace(/[\u2212]/g, "-").replace(/,/g, "").replace(/^[^\d+-]*/, ""));
    return { text, number: Number.isNaN(number) ? null : number };
  }
  function compare(a, b) {
    if (a.number !== null && b.number !== null) return a.number - b.number;
    if ((a.number === null) !== (b.number === null)) return a.number === null ? 1 : -1;
    return a.text.localeCompare(b.text);
  }
  for (const table of all("table[data-sortable]")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
        rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  /* A table's own search box. */
  for (const box of all("[data-find]")) {
    const rows = [...box.nextElementSibling.querySelector("tbody").rows];
    const input = box.querySelector("input");
    const count = box.querySelector("output");
    const update = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${rows.length}`;
    };
    input.addEventListener("input", update);
    box.hidden = false;
    update();
  }
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) for (const video of all("video")) video.pause();
})();
