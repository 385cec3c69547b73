// The landslides of the filter on a map of its own: regions, a graticule and a scale below them.
"use strict";

(() => {
  const place = document.getElementById("map");
  const note = document.getElementById("map-note");
  const asked = JSON.parse(place.dataset.map);
  const STYLES = {
    suspected: { color: "#7a5400", fillColor: "#E69F00", fillOpacity: 0.9 },
    confirmed: { color: "#5c2600", fillColor: "#B24A00", fillOpacity: 0.95 },
    refuted: { color: "#0072B2", fillColor: "#ffffff", fillOpacity: 0.7 },
    unresolved: { color: "#333333", fillColor: "#595959", fillOpacity: 0.9 },
    closed: { color: "#8a8a8a", fillColor: "#ffffff", fillOpacity: 0.7 },
  };
  // What matters most lies on top.
  const ORDER = ["closed", "refuted", "unresolved", "suspected", "confirmed"];
  const map = L.map(place, { preferCanvas: true, minZoom: 2, maxZoom: 18, worldCopyJump: true, zoomControl: false });
  map.attributionControl.remove();
  L.control.zoom({ position: "topright" }).addTo(map);
  L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
  const lines = L.layerGroup().addTo(map);
  const ground = L.layerGroup().addTo(map);
  const marks = L.layerGroup().addTo(map);

  const word = (tag, text, className) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  function graticule() {
    const steps = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
    const box = map.getBounds();
    const width = Math.min(box.getEast() - box.getWest(), 360);
    const fewest = Math.max(2, Math.floor(map.getSize().x / 160));
    const step = steps.find((one) => width / one >= fewest) || 0.001;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const line = { color: "#b9c2ca", weight: 1, interactive: false };
    const label = (at, text, anchor) => L.marker(at, {
      interactive: false, keyboard: false,
      icon: L.divIcon({ className: "degree", html: word("span", text), iconSize: null, iconAnchor: anchor }),
    }).addTo(lines);
    lines.clearLayers();
    const south = Math.max(box.getSouth(), -85), north = Math.min(box.getNorth(), 85);
    for (let x = Math.ceil(box.getWest() / step); x * step <= box.getEast(); x += 1) {
      const lon = x * step;
      L.polyline([[south, lon], [north, lon]], line).addTo(lines);
      const name = ((lon + 540) % 360) - 180;
      label([north, lon], `${Math.abs(name).toFixed(digits)}° ${name < 0 ? "W" : "E"}`, [-4, -4]);
    }
    for (let y = Math.ceil(south / step); y * step <= north; y += 1) {
      const lat = y * step;
      L.polyline([[lat, box.getWest()], [lat, box.getEast()]], line).addTo(lines);
      label([lat, box.getWest()], `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? "S" : "N"}`, [-6, -2]);
    }
  }

  function popup(one) {
    const made = document.createElement("div");
    if (one.marks) made.append(word("strong", one.marks, "mark"));
    const link = word("a", `${one.state} ${one.kind === "ponding" ? "new water" : "landslide"}`);
    link.href = `/landslides/${one.id}`;
    const head = document.createElement("p");
    head.append(link);
    made.append(head, word("p", `${one.area}, tier ${one.tier}, first seen ${one.seen}`));
    return made;
  }

  function spot(one) {
    const large = one.tier === "likely";
    const style = { ...STYLES[one.state], weight: 2, radius: large ? 8 : 5 };
    const made = [];
    if (one.outline) made.push(L.geoJSON(one.outline, { style: { ...style, fillOpacity: 0.25 } }));
    const at = [one.lat, one.lon];
    if (one.marks) {
      made.push(L.circleMarker(at, {
        radius: style.radius + 5, color: "#8a0f6b", weight: 2, dashArray: "4 4", fill: false,
        interactive: false,
      }));
    }
    made.push(L.circleMarker(at, style));
    for (const layer of made) {
      layer.bindPopup(() => popup(one)).addTo(marks);
      layer.bindTooltip(`${one.marks} ${one.state}, ${one.area}, ${one.seen}`.trim());
    }
  }

  function heap(one) {
    const size = Math.round(28 + 9 * Math.log10(one.count));
    const text = word("span", one.count >= 10000 ? `${Math.round(one.count / 1000)}k` : String(one.count));
    const title = `${one.count} landslides, ${one.confirmed} confirmed`
      + (one.simulated ? `, ${one.simulated} SIMULATED` : "");
    L.marker([one.lat, one.lon], {
      title, alt: title,
      icon: L.divIcon({ className: one.simulated ? "heap sim" : "heap", html: text, iconSize: [size, size] }),
    }).on("click", () => map.setView([one.lat, one.lon], map.getZoom() + 2)).addTo(marks);
  }

  let asking = null;
  async function load() {
    graticule();
    if (asking) asking.abort();
    asking = new AbortController();
    const box = map.getBounds();
    const edges = [
      Math.max(-180, box.getWest()), Math.max(-90, box.getSouth()),
      Math.min(180, box.getEast()), Math.min(90, box.getNorth()),
    ];
    if (edges[0] >= edges[2] || edges[1] >= edges[3]) return;
    const query = new URLSearchParams(asked.query);
    query.set("bbox", edges.map((one) => one.toFixed(6)).join(","));
    query.set("zoom", String(map.getZoom()));
    try {
      const answer = await fetch(`/map.json?${query}`, { signal: asking.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      marks.clearLayers();
      found.spots.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).forEach(spot);
      found.heaps.forEach(heap);
      note.textContent = "";
      place.dataset.shown = String(found.spots.length + found.heaps.length);
    } catch (error) {
      if (error.name !== "AbortError") note.textContent = "The server does not answer; the map may be old.";
    }
  }

  function start() {
    const kept = /^#(\d+)\/(-?[\d.]+)\/(-?[\d.]+)$/.exec(location.hash);
    if (kept) map.setView([Number(kept[2]), Number(kept[3])], Number(kept[1]));
    else if (asked.box) {
      const [west, south, east, north] = asked.box;
      map.fitBounds([[south, west], [north, east]], { maxZoom: 14, padding: [40, 40] });
    } else map.setView([20, 0], 2);
  }

  map.on("moveend", () => {
    const at = map.getCenter();
    history.replaceState(null, "", `#${map.getZoom()}/${at.lat.toFixed(5)}/${at.lng.toFixed(5)}`);
    load();
  });
  start();

  fetch("/regions.json").then((answer) => answer.json()).then((regions) => {
    const drawn = L.geoJSON(regions, {
      style: { color: "#0b5a73", weight: 2, fillColor: "#ffffff", fillOpacity: 0.45, dashArray: "6 4" },
      interactive: false,
    }).addTo(ground);
    drawn.bringToBack();
    if (!asked.box && !location.hash.includes("/") && regions.features.length) map.fitBounds(drawn.getBounds());
  }).catch(() => {});
})();
