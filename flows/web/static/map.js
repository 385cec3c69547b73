// The landslides of the filter on a map of its own.
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
  const map = Ground.make(place, { preferCanvas: true });
  const word = Ground.word;
  const marks = L.layerGroup().addTo(map);

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

  Ground.regions(map).then((box) => {
    if (box && !asked.box && !location.hash.includes("/")) map.fitBounds(box);
  }).catch(() => {});
})();
