// Rows that are selected, and the bar that acts on them. Without this file the boxes and the bar are
// a plain form; with it the bar counts, and stands back until something is selected.
"use strict";

(() => {
  if (!document.getElementById("bulk")) return;
  let lastClicked = null;

  const BOX = '.row-select input[form="bulk"]';
  const boxes = () => [...document.querySelectorAll(BOX)];

  function show() {
    const bar = document.querySelector("[data-run-bar]");
    if (!bar) return;
    const every = boxes();
    const chosen = every.filter((box) => box.checked).length;
    const all = bar.querySelector("[data-run-all]");
    if (all && !chosen) all.checked = false;
    bar.classList.toggle("is-shown", chosen > 0);
    // live.js refreshes nothing while an element with this is on the page
    bar.toggleAttribute("data-live-hold", chosen > 0);
    const count = bar.querySelector("[data-run-count]");
    if (all?.checked) count.textContent = bar.dataset.all;
    else if (chosen === 1) count.textContent = bar.dataset.one;
    else count.textContent = bar.dataset.many.replace("%s", chosen);
    const head = document.querySelector("[data-select-page]");
    head.checked = chosen > 0 && chosen === every.length;
    head.indeterminate = chosen > 0 && chosen < every.length;
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-page]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    if (event.target.form?.id === "bulk" || event.target.matches("[data-select-page]")) show();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.matches(BOX)) return;
    const every = boxes();
    const [from, to] = [every.indexOf(lastClicked), every.indexOf(event.target)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) {
      for (const box of every.slice(from, to + 1)) box.checked = event.target.checked;
    }
    lastClicked = event.target;
  });

  // A span of one's own and a named one exclude each other.
  const range = document.getElementById("filter-range");
  const ends = document.querySelectorAll("#filter-since, #filter-until");
  range?.addEventListener("change", () => { for (const end of ends) end.value = ""; });

  // Coming back with the browser's button brings the boxes back as they were.
  window.addEventListener("pageshow", show);
})();
