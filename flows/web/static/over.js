// Composites of before and after on one map, with an edge between them that keys and pointers move.
"use strict";

(() => {
  const MARGIN = 48, DEEPEST = 17;

  function show(over) {
    const known = JSON.parse(over.dataset.over);
    const find = (name) => over.querySelector(name);
    const range = find(".cut"), edge = find(".edge"), told = find(".about");
    find(".needs-script").hidden = false;
    // An edge that follows the map cannot follow its animation.
    const map = Ground.make(find(".map"), { hills: false, maxZoom: 19, zoomAnimation: false, fadeAnimation: false });
    const panes = ["before", "after", "score", "unseen"];
    panes.forEach((name, number) => {
      const pane = map.createPane(name);
      pane.style.zIndex = String(210 + number);
      pane.style.pointerEvents = "none";
    });
    const outline = L.geoJSON(known.outline, { style: { color: "#202020", weight: 5, fill: false }, interactive: false });
    const inner = L.geoJSON(known.outline, { style: { color: "#ffd400", weight: 2.5, fill: false }, interactive: false });
    map.fitBounds(outline.getBounds(), { padding: [MARGIN, MARGIN], maxZoom: DEEPEST });
    outline.addTo(map);
    inner.addTo(map);

    const cut = () => {
      const size = map.getSize();
      const [nw, se] = [map.containerPointToLayerPoint([0, 0]), map.containerPointToLayerPoint(size)];
      const x = nw.x + (size.x * Number(range.value)) / 100;
      const box = (left, right) =>
        `polygon(${left}px ${nw.y}px, ${right}px ${nw.y}px, ${right}px ${se.y}px, ${left}px ${se.y}px)`;
      map.getPane("before").style.clipPath = box(nw.x, x);
      map.getPane("after").style.clipPath = box(x, se.x);
      edge.style.left = `${range.value}%`;
      range.setAttribute("aria-valuetext", `${range.value} % before, ${100 - range.value} % after`);
    };

    const laid = {};
    let waiting = 0;
    function lay(name, address, bounds) {
      if (laid[name]) laid[name].remove();
      delete laid[name];
      if (!address) return;
      const count = { there: 0, missing: 0 };
      waiting += 1;
      over.dataset.drawn = "";
      laid[name] = L.tileLayer(address, { pane: name, bounds, maxNativeZoom: DEEPEST, maxZoom: 19 })
        .on("tileload", () => { count.there += 1; })
        .on("tileerror", () => { count.missing += 1; })
        .once("load", () => {
          waiting -= 1;
          if (!waiting) over.dataset.drawn = "all";
          if (!count.there && count.missing) told.textContent = "The composites cannot be read just now; reload the page.";
        })
        .once("remove", function gone() { if (this.isLoading()) waiting -= 1; })
        .addTo(map);
    }

    function draw() {
      const look = known.looks[Number(find(".look").value)];
      const style = look.before[find(".style").value] && look.after[find(".style").value]
        ? find(".style").value : Object.keys(look.before).find((one) => look.after[one]);
      find(".style").value = style;
      const ticked = (name) => find(`input${name}`) && find(`input${name}`).checked;
      told.textContent = `One fixed stretch on both sides. ${look.credit}.`;
      lay("before", look.before[style], look.bounds);
      lay("after", look.after[style], look.bounds);
      lay("score", ticked(".score") ? look.score : null, look.bounds);
      lay("unseen", ticked(".unseen") ? look.unseen : null, look.bounds);
      for (const side of ["before", "after"]) {
        const name = side === "before" ? "Before" : "After";
        find(`.ends .${side}`).textContent = `${name}: ${look.words[side]} ${look.marks}`.trim();
      }
    }

    const drag = (event) => {
      const box = edge.parentElement.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      range.value = String(Math.round(100 * share));
      cut();
    };
    edge.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      edge.setPointerCapture(event.pointerId);
    });
    edge.addEventListener("pointermove", (event) => {
      if (edge.hasPointerCapture(event.pointerId)) drag(event);
    });
    range.addEventListener("input", cut);
    over.querySelectorAll("select, input[type=checkbox]").forEach((one) => one.addEventListener("change", draw));
    map.on("move zoomend resize viewreset", cut);
    draw();
    cut();
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      show(entry.target);
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll(".over").forEach((over) => seen.observe(over));
})();
