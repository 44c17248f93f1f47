// Small helpers of every page: copy buttons and the theme switch. All pages work without it.
"use strict";

document.documentElement.classList.add("scripted");

const announcer = document.getElementById("announcer");

function announce(text) {
  announcer.textContent = "";
  // A live region is read when its text changes, also to the same words.
  setTimeout(() => { announcer.textContent = text; }, 50);
}

async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // The clipboard API needs https; a service on plain http in a closed network has only this.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser refused to copy.");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
  try {
    await copyText(source ? source.textContent : button.dataset.copy);
    announce(announcer.dataset.copied);
    button.classList.add("is-done");
    const shape = button.querySelector("use");
    const label = shape ? null : button.textContent;
    if (shape) shape.setAttribute("href", "#icon-tick");
    else button.textContent = announcer.dataset.copied;
    setTimeout(() => {
      button.classList.remove("is-done");
      if (shape) shape.setAttribute("href", "#icon-copy");
      else button.textContent = label;
    }, 1500);
  } catch {
    announce(announcer.dataset.notCopied);
  }
  button.focus();
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-form]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  document.cookie = `theme=${theme};path=${form.dataset.themeForm};max-age=31536000;samesite=lax`;
  document.documentElement.dataset.theme = theme;
  for (const button of form.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button === event.submitter));
  }
});
