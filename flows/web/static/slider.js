// Two pictures of the same ground become one with an edge between before and after.
"use strict";

(() => {
  const word = (tag, text, className) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  async function about(pair) {
    const told = pair.querySelector(".about");
    const answer = await fetch(pair.dataset.about);
    const known = answer.ok ? await answer.json() : { missing: "unknown reason" };
    if (known.missing) {
      told.textContent = `No picture: ${known.missing}`;
      return;
    }
    // Asked for now that they are known to be there.
    const held = pair.querySelector("noscript");
    const written = new DOMParser().parseFromString(held.textContent, "text/html");
    held.replaceWith(written.querySelector(".sides"));
    for (const side of ["before", "after"]) {
      const caption = pair.querySelector(`.${side} figcaption`);
      caption.firstChild.textContent = `${side === "before" ? "Before" : "After"}: ${known[side]} `;
      pair.querySelector(`.${side} img`).alt =
        `${pair.dataset.eye} ${side}, ${known[side]} ${known.marks}`.trim();
    }
    const unseen = known.unseen.length ? ` Hatched, not seen: ${known.unseen.join(", ")}.` : "";
    told.textContent = `${known.title}. Lines: ${known.lines.join("; ")}.${unseen} ${known.credit}.`;
    compare(pair);
  }

  function compare(pair) {
    const sides = pair.querySelector(".sides");
    const range = document.createElement("input");
    range.type = "range";
    range.min = "0";
    range.max = "100";
    range.value = "50";
    range.setAttribute("aria-label", `Edge between before and after, ${pair.dataset.eye}`);
    const edge = word("div", "", "edge");
    edge.setAttribute("aria-hidden", "true");
    sides.append(edge);
    const hand = word("div", "", "hand");
    hand.append(range);
    const said = word("div", "", "said");
    for (const caption of sides.querySelectorAll("figcaption")) {
      said.append(word("p", ""));
      said.lastChild.append(...caption.childNodes);
      caption.remove();
    }
    sides.after(hand, said);
    pair.classList.add("compare");
    const show = () => {
      sides.style.setProperty("--cut", `${range.value}%`);
      range.setAttribute("aria-valuetext", `${range.value} % before, ${100 - range.value} % after`);
    };
    range.addEventListener("input", show);
    const drag = (event) => {
      const box = sides.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      range.value = String(Math.round(100 * share));
      show();
    };
    sides.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      sides.setPointerCapture(event.pointerId);
      drag(event);
    });
    sides.addEventListener("pointermove", (event) => {
      if (sides.hasPointerCapture(event.pointerId)) drag(event);
    });
    show();
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      const told = entry.target.querySelector(".about");
      told.textContent = "The looks are being read …";
      about(entry.target).catch(() => { told.textContent = "The server does not answer."; });
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll(".pair").forEach((pair) => seen.observe(pair));
})();
