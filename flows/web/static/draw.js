// The outline of a region, drawn on a map; the text below it is what is sent, and follows.
"use strict";

(() => {
  const place = document.getElementById("draw");
  const text = document.getElementById("field-geometry");
  const note = document.getElementById("draw-note");
  const toggle = document.getElementById("draw-on");
  const own = JSON.parse(place.dataset.map).own;
  const MOST = 400; // More corners than these are changed as text.
  const map = Ground.make(place, { doubleClickZoom: false });
  const shape = L.layerGroup().addTo(map), hands = L.layerGroup().addTo(map);
  const past = [];
  let parts = []; // [[ring, hole ...] ...], rings of [longitude, latitude], open
  let adding = false;

  const rings = () => parts.flat();
  const closed = (ring) => [...ring, ring[0]];
  const flip = ([x, y]) => [y, x];
  const round = (one) => Number(one.toFixed(6));
  const corner = (at) => [round(((at.lng + 540) % 360) - 180), round(at.lat)];
  const count = () => rings().reduce((sum, ring) => sum + ring.length, 0);

  function fromGeometry(geometry) {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    if (!["Polygon", "MultiPolygon"].includes(geometry.type)) throw new Error(geometry.type);
    return polygons.map((part) => part.map((ring) => ring.slice(0, -1).map(([x, y]) => [x, y])));
  }

  function read(written) {
    if (/^\s*[{[]/.test(written)) {
      const found = JSON.parse(written);
      const one = found.type === "FeatureCollection" && found.features.length === 1 ? found.features[0] : found;
      return fromGeometry(one.type === "Feature" ? one.geometry : one);
    }
    const blocks = written.trim().split(/\n\s*\n/).filter((block) => block.trim());
    return blocks.map((block) => {
      const ring = block.trim().split("\n").map((line) => line.trim().split(/[,;\s]+/).map(Number));
      if (!ring.every((one) => one.length === 2 && one.every(Number.isFinite))) throw new Error("corner");
      const last = ring.at(-1);
      if (ring.length > 1 && ring[0][0] === last[0] && ring[0][1] === last[1]) ring.pop();
      return [ring];
    });
  }

  function write() {
    const holes = parts.some((part) => part.length > 1);
    text.value = holes
      ? JSON.stringify({ type: "MultiPolygon", coordinates: parts.map((part) => part.map(closed)) })
      : parts.filter(([ring]) => ring.length).map(([ring]) => ring.map((one) => one.join(", ")).join("\n")).join("\n\n");
  }

  function say(words) { note.textContent = words; }

  function change(words, act) {
    past.push(JSON.stringify(parts));
    act();
    parts = parts.map((part) => [part[0], ...part.slice(1).filter((ring) => ring.length > 2)]);
    write();
    draw();
    say(`${words} ${count()} corner${count() === 1 ? "" : "s"}${parts.length > 1 ? ` in ${parts.length} parts` : ""}.`);
  }

  function hand(at, className, label) {
    const made = L.marker(flip(at), {
      draggable: true, keyboard: true, autoPanOnFocus: false,
      icon: L.divIcon({ className, iconSize: [className === "corner" ? 18 : 14, className === "corner" ? 18 : 14] }),
    }).addTo(hands);
    made.getElement().setAttribute("aria-label", label);
    return made;
  }

  function focusOn(ring, number) {
    const found = hands.getLayers().find((one) => one.ring === ring && one.number === number);
    if (found) found.getElement().focus({ preventScroll: true });
  }

  function corners(ring) {
    ring.forEach((at, number) => {
      const made = hand(at, "corner", `Corner ${number + 1} of ${ring.length}, ${at.join(", ")}`);
      Object.assign(made, { ring, number });
      const move = (to) => change(`Corner ${number + 1} moved to ${corner(to).join(", ")}.`, () => { ring[number] = corner(to); });
      const away = () => change(`Corner ${number + 1} is gone.`, () => { ring.splice(number, 1); });
      made.on("dragend", () => move(made.getLatLng()));
      made.on("click", () => { if (adding && number === 0) add(false); });
      made.on("contextmenu", away);
      made.getElement().addEventListener("keydown", (event) => {
        const step = event.shiftKey ? 1 : 10;
        const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
        if (by) move(map.containerPointToLatLng(map.latLngToContainerPoint(flip(ring[number])).add(by)));
        else if (event.key === "Delete" || event.key === "Backspace") away();
        else return;
        event.preventDefault();
        event.stopPropagation();
        focusOn(ring, Math.min(number, ring.length - 1));
      });
      const next = ring[(number + 1) % ring.length];
      if (ring.length < 3) return;
      const middle = [(at[0] + next[0]) / 2, (at[1] + next[1]) / 2];
      const between = hand(middle, "between", `Between corners ${number + 1} and ${((number + 1) % ring.length) + 1}: Enter adds one`);
      const insert = (to) => {
        change("Corner added.", () => ring.splice(number + 1, 0, corner(to)));
        focusOn(ring, number + 1);
      };
      between.on("dragend", () => insert(between.getLatLng()));
      between.on("click keypress", (event) => {
        if (event.type === "click" || event.originalEvent.key === "Enter") insert(between.getLatLng());
      });
    });
  }

  function draw() {
    shape.clearLayers();
    hands.clearLayers();
    for (const part of parts) {
      L.polygon(part.map((ring) => ring.map(flip)), {
        color: "#8a0f6b", weight: 3, fillOpacity: 0.12, interactive: false,
      }).addTo(shape);
    }
    if (count() <= MOST) rings().forEach(corners);
    place.dataset.corners = String(count());
  }

  function add(on) {
    adding = on;
    toggle.setAttribute("aria-pressed", String(on));
    place.classList.toggle("adding", on);
    if (on) say("Click the map to set corners, or move it with the arrow keys and press Enter; a click on the first corner ends.");
  }

  function set(at) {
    if (!parts.length) parts.push([[]]);
    change(`Corner set at ${corner(at).join(", ")}.`, () => parts.at(-1)[0].push(corner(at)));
  }

  function show() {
    const all = rings().flat().map(flip);
    if (all.length) map.fitBounds(all, { padding: [40, 40], maxZoom: 15 });
  }

  function typed() {
    try {
      parts = text.value.trim() ? read(text.value) : [];
      draw();
      show();
      say(count() > MOST ? `${count()} corners, more than can be moved on the map: change them as text.` : "");
    } catch {
      say("The map shows the last outline that could be read.");
    }
  }

  map.on("click", (event) => { if (adding) set(event.latlng); });
  map.getContainer().addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target !== map.getContainer()) return;
    event.preventDefault();
    set(map.getCenter());
  });
  toggle.addEventListener("click", () => add(!adding));
  document.getElementById("draw-part").addEventListener("click", () => {
    if (parts.length && parts.at(-1)[0].length) parts.push([[]]);
    add(true);
  });
  document.getElementById("draw-undo").addEventListener("click", () => {
    if (!past.length) return say("There is nothing to undo.");
    parts = JSON.parse(past.pop());
    write();
    draw();
    say(`Undone. ${count()} corners.`);
  });
  document.getElementById("draw-clear").addEventListener("click", () => change("Cleared.", () => { parts = []; }));
  document.getElementById("draw-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    past.push(JSON.stringify(parts));
    text.value = await file.text();
    typed();
    if (count()) say(`${file.name}: ${count()} corners. The fields below are as they were.`);
  });
  text.addEventListener("change", () => { past.push(JSON.stringify(parts)); typed(); });

  document.querySelector(".tools").hidden = false;
  map.setView([20, 0], 2);
  typed();
  if (!count()) add(true);
  Ground.regions(map, own).then((box) => { if (box && !count()) map.fitBounds(box); }).catch(() => {});
  const faults = document.getElementById("faults");
  if (faults) faults.focus();
})();
