// Keeps a page current without losing the reader's place.
//
// The part marked data-live is fetched again from the page's own address and laid over what is
// there: nodes are matched by data-key (or by position), and only what differs is touched. Scroll,
// focus, selection, open <details> and typed text therefore stay. New rows of a list marked
// data-hold-new wait behind a button, so that nothing moves under the pointer.
"use strict";

(() => {
  const ACTIVE = 5_000;
  const IDLE = 60_000;
  const IDLE_AFTER = 60_000;
  const LONGEST_WAIT = 120_000;

  const live = document.querySelector("[data-live]");
  if (!live) return;
  const bar = document.querySelector("[data-live-bar]");
  const state = document.querySelector("[data-live-state]");
  const pause = document.querySelector("[data-live-pause]");
  const trouble = document.querySelector("[data-live-trouble]");
  const troubleText = document.querySelector("[data-live-trouble-text]");
  const retryNow = document.querySelector("[data-live-retry]");
  const signIn = document.querySelector("[data-live-sign-in]");
  const dataTime = document.querySelector("[data-data-time]");
  const held = document.createElement("button");
  held.type = "button";
  held.className = "button small held";

  let timer = 0;
  let etag = "";
  let failures = 0;
  let paused = false;
  let ended = false;
  let asking = false;
  let lastUsed = Date.now();
  let latest = null;

  // Laying the new state over the old ---------------------------------------------------------

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);

  const alike = (old, fresh) =>
    old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);

  // Whether somebody is at work in it: it has the focus, or a text that was typed.
  function isInUse(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return false;
    if (node.contains(document.activeElement)) return true;
    const fields = [...node.querySelectorAll("input, textarea")];
    return fields.some((field) => field.value !== field.defaultValue);
  }

  function patch(old, fresh, isFirst) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE || old.isEqualNode(fresh)) return;
    for (const { name } of [...old.attributes]) {
      const isOpenDetails = name === "open" && old.nodeName === "DETAILS";
      if (!fresh.hasAttribute(name) && !isOpenDetails) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    if (old.nodeName === "TEXTAREA" && old.value !== old.defaultValue) return;
    patchChildren(old, fresh, isFirst);
  }

  function patchChildren(old, fresh, applyHeld) {
    const wanted = rowsToShow(old, fresh, applyHeld);
    const keyed = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
    let place = old.firstChild;
    for (const node of wanted) {
      const key = keyOf(node);
      let match = key === undefined ? place : keyed.get(key);
      while (key === undefined && match && keyOf(match) !== undefined && !alike(match, node)) {
        match = match.nextSibling;
      }
      if (match && match !== node && alike(match, node)) {
        if (match === place) place = place.nextSibling;
        else old.insertBefore(match, place);
        patch(match, node, applyHeld);
      } else if (match === node) {
        // a row that was kept
        if (match === place) place = place.nextSibling;
        else old.insertBefore(match, place);
      } else {
        old.insertBefore(document.importNode(node, true), place);
      }
    }
    while (place) {
      const next = place.nextSibling;
      if (!isInUse(place)) place.remove();
      place = next;
    }
  }

  // The children that the list shall have now. Without data-hold-new: the fresh ones.
  function rowsToShow(old, fresh, applyHeld) {
    const rows = [...fresh.childNodes];
    if (!("holdNew" in old.dataset) || applyHeld) return rows;
    const known = [...old.childNodes].filter(keyOf);
    const knownKeys = new Set(known.map(keyOf));
    const kept = rows.filter((row) => keyOf(row) === undefined || knownKeys.has(keyOf(row)));
    const news = rows.filter((row) => keyOf(row) !== undefined && !knownKeys.has(keyOf(row)));
    const newest = Math.max(...known.map((row) => Number(keyOf(row))));
    // A row that moved up because another one left is no news: it belongs at the end.
    const waiting = news.filter((row) => Number(keyOf(row)) > newest);
    if (!waiting.length) return rows;
    offer(old, waiting.length);
    // Rows that only fell off the end because of the new ones stay until those are shown.
    const freshKeys = new Set(rows.map(keyOf));
    const oldest = Math.min(...rows.filter(keyOf).map((row) => Number(keyOf(row))));
    const pushedOut = known.filter(
      (row) => !freshKeys.has(keyOf(row)) && Number(keyOf(row)) < oldest,
    );
    return [...kept, ...news.filter((row) => !waiting.includes(row)), ...pushedOut];
  }

  function offer(list, count) {
    held.textContent = bar.dataset.new.replace("%s", count);
    held.dataset.shown = "";
  }

  // What a fragment says ----------------------------------------------------------------------

  function apply(text, applyHeld) {
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-live]");
    if (!fresh) throw new Error("The answer has no live part.");
    const before = { open: live.dataset.open, announce: live.dataset.announce };
    delete held.dataset.shown;
    held.remove();
    patch(live, fresh, applyHeld);
    if ("shown" in held.dataset) {
      const table = live.querySelector("[data-hold-new]").closest("table");
      table.before(held);
    }
    tell(before);
  }

  function tell(before) {
    const { open, title, announce: watched } = live.dataset;
    document.title = title;
    const favicon = document.getElementById("favicon");
    favicon.href = open === "0" ? favicon.dataset.calm : favicon.dataset.alarm;
    for (const needs of document.querySelectorAll("[data-open-failures]")) {
      needs.hidden = open === "0";
      needs.querySelector("[data-number]").textContent = open;
    }
    if (watched !== before.announce) announce(watched);
    else if (open !== before.open) announce(open === "1" ? bar.dataset.oneOpen : bar.dataset.manyOpen.replace("%s", open));
  }

  held.addEventListener("click", () => {
    held.remove();
    if (latest) apply(latest, true);
    const list = live.querySelector("[data-hold-new]");
    const link = list && list.querySelector("a");
    if (link) link.focus();
  });

  // Asking --------------------------------------------------------------------------------------

  function address() {
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("fragment", "1");
    return url;
  }

  // Whether the page asks to be left alone: rows are selected, or a dialog is open.
  const isHeld = () => document.querySelector("[data-live-hold], dialog[open]") !== null;

  async function refresh() {
    if (asking || ended) return;
    if (isHeld()) {
      state.textContent = bar.dataset.held;
      bar.classList.add("is-paused");
      plan();
      return;
    }
    asking = true;
    clearTimeout(timer);
    try {
      const response = await fetch(address(), {
        headers: etag ? { "If-None-Match": etag } : {},
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(15_000),
      });
      if (response.type === "opaqueredirect") return signedOut();
      if (response.status === 404) return gone();
      if (response.status !== 304) {
        if (!response.ok) throw new Error(`Status ${response.status}`);
        const text = await response.text();
        if (paused || isHeld()) return;
        apply(text, false);
        latest = text;
        etag = response.headers.get("ETag") || "";
      }
      failures = 0;
      trouble.hidden = true;
      bar.classList.remove("is-troubled", "is-paused");
      const time = response.headers.get("Data-Time");
      if (time && dataTime) dataTime.textContent = time;
      state.textContent = bar.dataset.current;
    } catch {
      failures += 1;
      troubled();
    } finally {
      asking = false;
      plan();
    }
  }

  function wait() {
    if (failures) return Math.min(ACTIVE * 2 ** failures, LONGEST_WAIT);
    return Date.now() - lastUsed > IDLE_AFTER ? IDLE : ACTIVE;
  }

  function plan() {
    clearTimeout(timer);
    if (!paused && !ended && !document.hidden) timer = setTimeout(refresh, wait());
  }

  function troubled() {
    bar.classList.add("is-troubled");
    state.textContent = bar.dataset.troubled;
    const seconds = Math.round(wait() / 1000);
    const since = dataTime ? bar.dataset.since.replace("%s", dataTime.textContent) : "";
    troubleText.textContent = `${since} ${bar.dataset.again.replace("%s", seconds)}`;
    trouble.hidden = false;
  }

  function signedOut() {
    end(bar.dataset.signedOut);
    signIn.hidden = false;
    signIn.href = `${signIn.getAttribute("href").split("?")[0]}?next=${encodeURIComponent(
      location.pathname + location.search,
    )}`;
  }

  function gone() {
    end(bar.dataset.gone);
  }

  function end(text) {
    ended = true;
    bar.classList.add("is-troubled");
    state.textContent = bar.dataset.ended;
    pause.hidden = true;
    retryNow.hidden = true;
    troubleText.textContent = text;
    trouble.hidden = false;
    announce(text);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? pause.dataset.resume : pause.dataset.pause;
    state.textContent = paused ? bar.dataset.paused : bar.dataset.current;
    bar.classList.toggle("is-paused", paused);
    if (paused) clearTimeout(timer);
    else refresh();
  });
  retryNow.addEventListener("click", refresh);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (!paused) refresh();
  });
  for (const sign of ["pointermove", "keydown", "scroll", "pointerdown"]) {
    document.addEventListener(
      sign,
      () => {
        const wasIdle = Date.now() - lastUsed > IDLE_AFTER;
        lastUsed = Date.now();
        if (wasIdle && !failures) plan();
      },
      { passive: true },
    );
  }
  plan();
})();
