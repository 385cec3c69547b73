// The history of a landslide's own ground: asked for when it comes into view, until it is read.
"use strict";

(() => {
  const place = document.querySelector("[data-series]");
  if (!place) return;
  const note = place.querySelector(".about");
  async function ask(left) {
    const answer = await fetch(place.dataset.series);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.status === 202 && left) {
      note.textContent = "The looks of up to two years are being read …";
      setTimeout(() => ask(left - 1).catch(lost), 3000);
    } else if (answer.status === 200) {
      place.replaceChildren(...page.getElementById("series").childNodes);
    } else {
      const reason = page.querySelector("main p:not(.code)");
      note.textContent = `No history: ${reason ? reason.textContent : "the looks take too long to read"}`;
    }
  }
  const lost = () => { note.textContent = "The server does not answer."; };
  new IntersectionObserver((entries, seen) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    ask(300).catch(lost);
  }, { rootMargin: "200px" }).observe(place);
})();
