// A region on a map of its own, over its hillshade.
"use strict";

(() => {
  const place = document.getElementById("region-map");
  const map = Ground.make(place, { scrollWheelZoom: false });
  const outline = L.geoJSON(JSON.parse(place.dataset.map), {
    style: { color: "#8a0f6b", weight: 3, fillOpacity: 0.05 }, interactive: false,
  }).addTo(map);
  map.fitBounds(outline.getBounds(), { padding: [20, 20] });
  place.dataset.shown = "1";
})();
