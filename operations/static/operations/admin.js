// Small helpers of the admin. All of it works without them.
"use strict";

// On a phone a row is a card: each of its values says what it is.
for (const table of document.querySelectorAll("#result_list, .history table")) {
  const names = [...table.querySelectorAll("thead th")].map((head) => (head.querySelector(".text") ?? head).textContent.trim());
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, at) => { if (names[at]) cell.dataset.label = names[at]; });
  }
}

// A filter's menu closes when one looks elsewhere.
function closeFilters(except) {
  for (const menu of document.querySelectorAll("details.filter[open]")) if (menu !== except) menu.open = false;
}
document.addEventListener("click", (event) => closeFilters(event.target.closest("details.filter")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details.filter[open]");
  closeFilters();
  menu?.querySelector("summary").focus();
});

// Stock widgets that say nothing to who cannot see them.
function nameWidgets() {
  for (const field of document.querySelectorAll(".datetime input, .date input, .time input")) {
    if (!field.labels.length) field.setAttribute("aria-label", field.previousSibling?.textContent.trim() || field.name);
  }
  for (const select of document.querySelectorAll("select.admin-autocomplete")) {
    const name = select.getAttribute("aria-label") ?? select.labels[0]?.textContent.trim().replace(/:$/, "") ?? "";
    const parts = select.nextElementSibling?.querySelectorAll(".select2-selection, .select2-selection__rendered") ?? [];
    for (const part of parts) part.setAttribute("aria-label", name);
  }
}

// The stock scripts build their widgets when their jQuery is ready, one after the other: this is
// asked for after them, and a choice in one of their boxes is an event of that jQuery only.
window.django?.jQuery?.(($) => {
  nameWidgets();
  $("form[data-submits-itself]").on("change", (event) => event.currentTarget.requestSubmit());
});
window.addEventListener("load", () => {
  for (const icon of document.querySelectorAll("span.help-tooltip[aria-label]")) icon.setAttribute("role", "img");
});
