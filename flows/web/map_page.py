"""The map and the list: what is believed of many landslides."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import shapely
from starlette.requests import Request
from starlette.responses import Response

from alerts.rules import marks
from alerts.wording import area
from db import pages as reads
from db import queries
from db.engine import transaction
from detectors.types import State, Tier, WatchedRegion
from flows.services import Services
from flows.web.asking import MAP_NAMES, PAGE, Filter, read_box, read_filter
from flows.web.guards import Problem
from flows.web.pages import Pages, day

#: Above it, landslides are counted in squares instead of drawn one by one.
MOST_SPOTS = 2000
#: From this zoom on, outlines are more than a dot.
OUTLINES_FROM = 12
#: A square of the count is so many pixels wide.
_SQUARE = 56


class MapPage:
    """Answers for the map, its data and its list."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    def show(self, request: Request) -> Response:
        """Answer with the page."""
        asked = read_filter(request.query_params.multi_items())
        with transaction(self._services.engine) as s:
            regions = queries.list_regions(s, include_removed=True)
            _known(asked, regions)
            wanted = asked.wanted
            total = reads.count_landslides(s, wanted)
            found = reads.page_of_landslides(s, wanted, (asked.page - 1) * PAGE, PAGE)
            box = reads.extent(s, wanted)
        last = max(1, -(-total // PAGE))
        if asked.page > last:
            raise Problem(404, f"The list has {last} pages", "Go back to the first one.")
        names = {region.id: region.name for region in regions}
        return self._pages.answer(
            request, "map.html", asked=asked, regions=regions, names=names, found=found,
            total=total, last=last, first=PAGE * (asked.page - 1), states=list(State),
            tiers=list(Tier),
            map_data=json.dumps(
                {"box": box, "query": asked.query(page=1), "exercise": self._pages.exercise}
            ),
            credits=owed_for(regions),
        )  # fmt: skip

    def landslides(self, request: Request) -> Response:
        """Answer with what a part of the map shows, JSON."""
        pairs = request.query_params.multi_items()
        asked = read_filter([one for one in pairs if one[0] not in ("bbox", "zoom")], MAP_NAMES)
        box, zoom = read_box(pairs)
        outlines = zoom >= OUTLINES_FROM
        with transaction(self._services.engine) as s:
            count = reads.count_landslides(s, asked.wanted, box, MOST_SPOTS + 1)
            if count > MOST_SPOTS:
                step = 360 / (256 * 2**zoom) * _SQUARE
                found = reads.heaps(s, asked.wanted, box, step)
                return _json({"heaps": [asdict(one) for one in found], "spots": []})
            spots = reads.spots(s, asked.wanted, box, MOST_SPOTS, outlines=outlines)
        return _json({"heaps": [], "spots": [self._spot(one) for one in spots]})

    def regions(self, _: Request) -> Response:
        """Answer with the outlines of the regions, GeoJSON."""
        with transaction(self._services.engine) as s:
            regions = queries.list_regions(s)
        return _json(
            {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "geometry": shapely.geometry.mapping(region.geometry.simplify(1e-4)),
                        "properties": {
                            "id": region.id, "name": region.name,
                            "marks": self._marks(simulated=region.simulated),
                        },
                    }
                    for region in regions
                ],
            }
        )  # fmt: skip

    def _spot(self, one: reads.Spot) -> dict[str, Any]:
        return {
            "id": str(one.id), "lon": round(one.lon, 6), "lat": round(one.lat, 6),
            "state": one.state.value, "tier": one.tier.value, "kind": one.kind,
            "area": area(one.area_m2), "seen": day(one.not_after),
            "marks": self._marks(simulated=one.simulated),
            "outline": None if one.outline is None else shapely.geometry.mapping(one.outline),
        }  # fmt: skip

    def _marks(self, *, simulated: bool) -> str:
        return marks(exercise=self._pages.exercise, simulated=simulated)


def owed_for(regions: list[WatchedRegion]) -> list[str]:
    """Return the credits that the data of some regions demand."""
    sources = {source for region in regions for source in region.sources}
    line = "Contains modified Copernicus Sentinel data"
    if any("opera" in source.lower() for source in sources):
        line += "; processed from NASA/JPL OPERA RTC-S1"
    return [line]


def _known(asked: Filter, regions: list[WatchedRegion]) -> None:
    if asked.region and asked.region not in {region.id for region in regions}:
        raise Problem(
            400, f"There is no region {asked.region[:60]!r}", "The filter lists those there are."
        )


def _json(document: Any) -> Response:
    content = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return Response(content, media_type="application/json")
