// What lies below everything on a map: hillshades, a graticule, the outlines of the regions.
"use strict";

const Ground = (() => {
  const word = (tag, text, className) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  function graticule(map, lines) {
    const steps = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
    const box = map.getBounds();
    const width = Math.min(box.getEast() - box.getWest(), 360);
    const fewest = Math.max(2, Math.floor(map.getSize().x / 160));
    const step = steps.find((one) => width / one >= fewest) || 0.001;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const line = { color: "#8d9aa6", opacity: 0.5, weight: 1, interactive: false };
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

  const credits = new Set();

  // Hillshades come region by region; those that are being made are asked for again.
  async function hillshades(map, known = new Set(), left = 40) {
    const answer = await fetch("/hillshade.json");
    if (!answer.ok) return;
    const found = await answer.json();
    for (const one of found.layers.filter((layer) => !known.has(layer.tiles))) {
      known.add(one.tiles);
      const [west, south, east, north] = one.bounds;
      L.tileLayer(one.tiles, {
        pane: "hills", bounds: [[south, west], [north, east]], maxNativeZoom: one.maxzoom, maxZoom: 18,
      }).addTo(map);
      credits.add(one.credit);
    }
    const owed = document.getElementById("ground-credit");
    if (credits.size) owed.textContent = `Hillshade: ${[...credits].join("; ")}`;
    map.getContainer().dataset.hills = String(known.size);
    if (found.pending && left) setTimeout(() => hillshades(map, known, left - 1).catch(() => {}), 5000);
  }

  async function regions(map, leave) {
    const found = await (await fetch("/regions.json")).json();
    const features = found.features.filter((one) => one.properties.id !== leave);
    const drawn = L.geoJSON(features, {
      style: { color: "#0b5a73", weight: 2, fillColor: "#ffffff", fillOpacity: 0.15, dashArray: "6 4" },
      interactive: false,
    }).addTo(map);
    drawn.bringToBack();
    return features.length ? drawn.getBounds() : null;
  }

  // A map without anything from the internet.
  function make(place, { hills = true, ...options } = {}) {
    const map = L.map(place, { minZoom: 2, maxZoom: 18, worldCopyJump: true, zoomControl: false, ...options });
    map.attributionControl.remove();
    map.createPane("hills").classList.add("hills");
    L.control.zoom({ position: "topright" }).addTo(map);
    L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
    const lines = L.layerGroup().addTo(map);
    map.on("moveend", () => graticule(map, lines));
    if (hills) hillshades(map).catch(() => {});
    return map;
  }

  return { make, regions, word };
})();
