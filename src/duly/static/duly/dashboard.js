/* Reads the parts of the dashboard anew: never in a hidden tab, more seldom after an error.
   In the head, and not deferred: the theme is chosen before anything is drawn. */
"use strict";
(() => {
  const LONGEST = 120;
  const THEMES = ["auto", "light", "dark"];
  const root = document.documentElement;

  // The same place as the admin's own switch, so that both agree.
  const stored = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  const wear = (theme) => { root.dataset.theme = THEMES.includes(theme) ? theme : "auto"; };
  wear(stored());
  addEventListener("storage", () => wear(stored()));

  const offerThemes = () => {
    const button = document.getElementById("theme");
    const say = () => { button.textContent = `Theme: ${root.dataset.theme}`; };
    button.addEventListener("click", () => {
      const theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      try { localStorage.setItem("theme", theme); } catch { /* For this page alone. */ }
      wear(theme);
      say();
    });
    say();
    button.hidden = false;
  };

  let paused = false;
  let over = false;

  class Part {
    constructor(place, told) {
      this.place = place;
      this.told = told;
      this.every = Number(place.dataset.seconds);
      this.failures = 0;
      this.timer = null;
      this.text = null;
      this.asks = false;
      this.readAt = Date.now();
    }
    plan() {
      clearTimeout(this.timer);
      if (paused || over || document.hidden) return;
      const wait = Math.min(LONGEST, this.every * 2 ** this.failures) * (0.9 + Math.random() / 5);
      this.timer = setTimeout(() => this.read(), Math.max(0, this.readAt + wait * 1000 - Date.now()));
    }
    async read() {
      if (this.asks) return;
      this.asks = true;
      try {
        const answer = await fetch(this.place.dataset.poll, {
          credentials: "same-origin", cache: "no-store", redirect: "error",
          signal: AbortSignal.timeout(15000),
        });
        if (answer.status === 401 || answer.status === 403) {
          over = true;
          this.told("You are logged out. Load this page again to log in.");
          return;
        }
        if (!answer.ok) throw new Error(answer.status);
        this.show(await answer.text());
        if (this.failures) this.told("Updates have come through again.");
        this.failures = 0;
      } catch {
        this.failures += 1;
        if (!over) this.told("No update came through; what you see is old. Trying again, more seldom.");
      } finally {
        this.asks = false;
        this.readAt = Date.now();
        this.plan();
      }
    }
    show(text) {
      if (text === this.text) return;
      this.text = text;
      const kept = [...this.place.querySelectorAll("details[open]")].map((one) => one.id);
      const scrolls = [...this.place.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
      const before = [...this.place.querySelectorAll("a, summary, [tabindex]")];
      const focused = before.indexOf(document.activeElement);
      this.place.innerHTML = text;
      kept.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
      this.place.querySelectorAll(".scroll").forEach((one, n) => {
        if (scrolls[n]) [one.scrollLeft, one.scrollTop] = scrolls[n];
      });
      if (focused >= 0) {
        const after = this.place.querySelectorAll("a, summary, [tabindex]");
        after[Math.min(focused, after.length - 1)]?.focus({ preventScroll: true });
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    offerThemes();
    const status = document.getElementById("polling");
    const places = document.querySelectorAll("[data-poll]");
    if (!places.length) return;
    const told = (text) => { if (status.textContent !== text) status.textContent = text; };
    const parts = [...places].map((place) => new Part(place, told));
    const plan = () => parts.forEach((part) => part.plan());
    const button = document.getElementById("pause");
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      plan();
    });
    button.hidden = false;
    // Back in sight, what is old is read at once; hidden, nothing is.
    document.addEventListener("visibilitychange", plan);
    addEventListener("online", () => { parts.forEach((part) => { part.failures = 0; }); plan(); });
    plan();
  });
})();
