// Starts Swagger UI on the API page. A file of its own, for no script may stand in the page.
"use strict";

const place = document.getElementById("swagger");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapi,
  layout: "BaseLayout",
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null, // the validator's badge would be a picture from elsewhere
});
