// duly in the admin: previews a rule while it is typed. Everything works without it.
"use strict";
(function () {
  // The server shows times in the viewer's zone as well, once it knows it.
  try {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (/^[A-Za-z0-9_+\/-]{1,64}$/.test(zone || "")) {
      document.cookie = "duly_zone=" + zone + "; path=/; max-age=31536000; samesite=lax";
    }
  } catch (error) { /* Without it, Django's zone is shown. */ }

  const NAMES = ["rule", "tz", "gap", "fold", "start", "end", "max"];
  const PAUSE_MS = 250;

  document.querySelectorAll("[data-duly-preview]").forEach(function (builder) {
    const shown = builder.querySelector("[data-duly-shown]");
    let timer = 0;
    let asked = null;

    function field(name) { return builder.querySelector('[name="' + name + '"]'); }

    function say(errors) {
      NAMES.forEach(function (name) {
        const place = builder.querySelector('[data-duly-error="' + name + '"]');
        place.textContent = errors[name] || "";
        field(name).setAttribute("aria-invalid", errors[name] ? "true" : "false");
      });
    }

    async function preview() {
      const query = new URLSearchParams();
      NAMES.forEach(function (name) { query.set(name, field(name).value); });
      if (asked) { asked.abort(); }
      const mine = asked = new AbortController();
      try {
        const answer = await fetch(builder.dataset.dulyPreview + "?" + query, {
          signal: mine.signal, credentials: "same-origin", redirect: "error",
        });
        if (!answer.ok) { throw new Error("the server answered " + answer.status); }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const errors = {};
        page.querySelectorAll("[data-duly-error-of]").forEach(function (one) {
          errors[one.dataset.dulyErrorOf] = one.textContent;
          one.remove();
        });
        say(errors);
        shown.replaceChildren(...page.body.childNodes);
      } catch (error) {
        if (error.name !== "AbortError") { shown.textContent = "No preview: " + error.message; }
      }
    }

    builder.addEventListener("input", function () {
      clearTimeout(timer);
      timer = setTimeout(preview, PAUSE_MS);
    });
    const details = builder.closest("details");
    if (details) { details.addEventListener("toggle", function () { if (details.open) { preview(); } }); }
    if (!details || details.open) { preview(); }
  });

  // A long action goes on by itself, step by step.
  const steps = document.querySelector("[data-duly-continue]");
  if (steps) { setTimeout(function () { steps.requestSubmit(); }, 200); }
})();
