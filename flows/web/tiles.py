"""Tiles of our own cloud-optimised GeoTIFFs, by TiTiler: one route, and no say in what is opened.

A resolver turns a name into a file of a known folder or of the database; nothing of a request is
ever a path or an address. Another kind of raster is one more resolver in ``make_tiles``.

A tile has a tag made of the file, of how it is drawn and of the program. Whoever shows the tag gets
no tile again; the name is looked up all the same, so that what is gone is gone.
"""

# Annotations are real here: FastAPI would look for names inside functions in vain.
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi import Path as InPath
from morecantile import tms
from morecantile.defaults import TileMatrixSets
from rio_tiler.errors import TileOutsideBounds
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from flows.composites import software

#: The one lattice of tiles; nothing of ours is worth a tile below ``DEEPEST``.
LATTICE, DEEPEST = "WebMercatorQuad", 22

#: How a browser may keep a tile: itself alone, asking again after an hour.
KEPT = "private, max-age=3600"

#: Red, green, blue and opacity, 0 to 255, by number; what has none is clear.
Colours = dict[int, tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class Layer:
    """A raster that tiles are made of."""

    path: Path
    """Cloud-optimised GeoTIFF of ours."""
    indexes: tuple[int, ...] | None = None
    """Bands that are drawn, from 1; None for all."""
    rescale: tuple[tuple[float, float], ...] | None = None
    """Values drawn from black to white, by band; None: they are 8-bit already."""
    colours: Colours | None = None
    """Of one band's 8-bit numbers, instead of grey."""
    smooth: bool = True
    """Pixels flow into one another; False for codes."""


#: Returns what lies behind a name, None where there is nothing.
Resolver = Callable[[str], Layer | None]


class _Unchanged(Exception):
    """Whoever asks has the tile."""


class _Tiles(TilerFactory):
    """TiTiler with its route of tiles alone: no statistics, no crops, no viewer."""

    def register_routes(self) -> None:
        """Add the one route."""
        self.tile()  # type: ignore[no-untyped-call]


def address(kind: str, name: str) -> str:
    """Return where the tiles of a raster are, as Leaflet takes it."""
    return f"/tiles/{kind}/{name}/tiles/{LATTICE}/{{z}}/{{x}}/{{y}}.png"


def make_tiles(resolvers: Mapping[str, Resolver]) -> FastAPI:
    """Return the ASGI application: ``KIND/NAME/tiles/WebMercatorQuad/Z/X/Y.png``.

    Args:
        resolvers: By kind.
    """

    def layer(
        request: Request, kind: str, name: str, z: Annotated[int, InPath(ge=0, le=DEEPEST)]
    ) -> Layer:
        del z  # Checked, for TiTiler does not: a tile of zoom 10^9 is a number of 10^8 digits.
        if request.query_params:
            raise HTTPException(400, "a tile has no options")
        resolve = resolvers.get(kind)
        found = resolve(name) if resolve else None
        if found is None:
            raise HTTPException(404, "there is no such raster")
        request.state.tag = _tag(request.url.path, found)
        if request.state.tag in request.headers.get("if-none-match", ""):
            raise _Unchanged
        return found

    class Bands(DefaultDependency):
        """Which bands are read."""

        def __init__(self, found: Annotated[Layer, Depends(layer)]) -> None:
            self.indexes = found.indexes

    class Drawing(DefaultDependency):
        """How values become grey."""

        def __init__(self, found: Annotated[Layer, Depends(layer)]) -> None:
            self.rescale = found.rescale

    class Smooth(DefaultDependency):
        """How pixels are resampled."""

        def __init__(self, found: Annotated[Layer, Depends(layer)]) -> None:
            self.resampling_method = "bilinear" if found.smooth else "nearest"
            self.reproject_method = self.resampling_method

    def path(found: Annotated[Layer, Depends(layer)]) -> str:
        return str(found.path)

    def colours(found: Annotated[Layer, Depends(layer)]) -> Colours | None:
        return found.colours

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    factory = _Tiles(
        router_prefix="/{kind}/{name}",
        path_dependency=path,
        layer_dependency=Bands,
        render_dependency=Drawing,
        dataset_dependency=Smooth,
        tile_dependency=DefaultDependency,
        process_dependency=_nothing,
        colormap_dependency=colours,
        environment_dependency=_env,
        supported_tms=TileMatrixSets({LATTICE: tms.get(LATTICE)}),
    )
    app.include_router(factory.router, prefix="/{kind}/{name}")
    app.add_exception_handler(TileOutsideBounds, _empty)
    app.add_exception_handler(_Unchanged, _unchanged)
    app.middleware("http")(_tagged)
    return app


def _tag(path: str, found: Layer) -> str:
    """Return the tag of a tile; a weak one, since it may go out compressed."""
    try:
        held = found.path.stat()
    except FileNotFoundError:
        raise HTTPException(404, "there is no such raster") from None
    told = (path, found, held.st_size, held.st_mtime_ns, software())
    return f'W/"{hashlib.sha256(repr(told).encode()).hexdigest()[:32]}"'


async def _tagged(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    request.state.tag = None
    made = await answer(request)
    if request.state.tag is not None and made.status_code in (200, 204, 304):
        made.headers["etag"] = request.state.tag
        made.headers["cache-control"] = KEPT
    return made


def _nothing() -> None:
    return None


def _env() -> dict[str, Any]:
    return {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}


def _empty(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=204)


def _unchanged(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=304)
