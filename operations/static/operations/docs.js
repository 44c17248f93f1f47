// Starts Swagger UI on the API page. A file of its own, for no script may stand in the page.
"use strict";

const place = document.getElementById("swagger");

const ui = window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapi,
  layout: "BaseLayout",
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null, // the validator's badge would be a picture from elsewhere
  onComplete: () => ui.layoutActions.show(["operations-tag", "v1.0"], true),
});
// the token endpoint wants a scope, and there is but one: ticked, or signing in fails
ui.initOAuth({ scopes: place.dataset.scope });

// Swagger UI has colours for the dark, under a class of its own: follow the page's theme with it.
const page = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  const chosen = page.dataset.theme;
  const isDark = chosen === "dark" || (chosen !== "light" && dark.matches);
  page.classList.toggle("dark-mode", isDark);
}

followTheme();
dark.addEventListener("change", followTheme);
new MutationObserver(followTheme).observe(page, { attributeFilter: ["data-theme"] });
