// Keys for those who live on these pages. Single letters never fire while somebody types, and can
// be switched off in the settings. Everything that a key does is a link or a button as well.
"use strict";

(() => {
  const sheet = document.getElementById("keys");
  const ask = document.getElementById("ask");
  if (!sheet || !ask) return;

  const places = { o: "overview", c: "connections", p: "operations", e: "errors" };
  let waitsForPlace = false;
  let row = null;
  let lastSelected = null;

  const isTyping = (node) =>
    node.isContentEditable || node.matches("input:not([type=checkbox]), textarea, select");
  const rows = () => [...document.querySelectorAll("main tbody tr[data-key]")].filter(
    (candidate) => candidate.offsetParent !== null && candidate.querySelector("a"),
  );

  // The row that holds the focus, or the one that was reached last.
  function current() {
    const focused = document.activeElement.closest("main tbody tr[data-key]");
    return focused || (row && row.isConnected ? row : null);
  }

  function go(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current());
    row = at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[at + step] || all[at];
    (row.querySelector("th a") || row.querySelector("a")).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  function inRow(selector) {
    const here = current();
    // On the page of one operation there is no row: the page itself is what is meant.
    return (here || document.getElementById("main")).querySelector(selector);
  }

  function confirmThen(button, question) {
    const name = (current()?.querySelector("th a") || current()?.querySelector("a"))?.textContent.trim();
    ask.querySelector("[data-ask-question]").textContent = question;
    ask.querySelector("[data-ask-about]").textContent = name || document.title;
    ask.returnValue = "";
    ask.onclose = () => {
      if (ask.returnValue === "yes") button.click();
      else button.focus();
    };
    ask.showModal();
  }

  function press(selector, question) {
    const button = inRow(selector);
    if (button) confirmThen(button, question);
  }

  function select(extend) {
    const here = current();
    const box = here?.querySelector("input[type=checkbox]");
    if (!box) return;
    if (extend && lastSelected?.isConnected) {
      const all = rows();
      const [from, to] = [all.indexOf(lastSelected), all.indexOf(here)].sort((a, b) => a - b);
      for (const between of all.slice(from, to + 1)) set(between.querySelector("input[type=checkbox]"), true);
    } else set(box, !box.checked);
    lastSelected = here;
  }

  function set(box, checked) {
    if (!box || box.checked === checked) return;
    box.checked = checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function unfold() {
    const details = current()?.querySelector("details");
    if (details) details.open = !details.open;
    return Boolean(details);
  }

  const keys = {
    "/": () => document.getElementById("search")?.focus(),
    j: () => go(1),
    k: () => go(-1),
    x: () => select(false),
    X: () => select(true),
    r: () => press('button[formaction$="/retry/"]', sheet.dataset.askRetry),
    a: () => press('button[formaction$="/acknowledge/"]', sheet.dataset.askAcknowledge),
    c: () => inRow(".copy")?.click(),
    p: () => document.querySelector("[data-live-pause]")?.click(),
    g: () => { waitsForPlace = true; setTimeout(() => { waitsForPlace = false; }, 1500); },
    "?": () => sheet.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === " ") {
      if (!event.target.matches("button, summary, input, a.button") && unfold()) event.preventDefault();
      return;
    }
    if (document.documentElement.dataset.keys === "off") return;
    if (waitsForPlace && places[event.key]) {
      const link = document.querySelector(`nav.side a[data-place="${places[event.key]}"]`);
      waitsForPlace = false;
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  for (const opener of document.querySelectorAll("[data-open-keys]")) {
    opener.addEventListener("click", () => sheet.showModal());
  }
})();
