"""Small real archives, and a real server that misbehaves on command."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from flows.archive.build import build
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import make_catalogue
from tests.sentinel_hub_server import CLIENT_ID, CLIENT_SECRET, HubServer

BURST, OTHER_BURST = "T137-292321-IW2", "T137-292320-IW2"


def write_product(
    folder: Path,
    *,
    burst: str = BURST,
    sensed: str = "20230101T015907",
    processed: str = "20230101T140000",
    platform: str = "S1A",
    layer: str = "VV",
    values: np.ndarray | None = None,
    epsg: int | None = 32611,
    origin: tuple[float, float] = (239_250.0, 3_853_590.0),
    **profile: Any,
) -> Path:
    """Write one GeoTIFF the way NASA names it; 40 x 30 pixels of speckle unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    if values is None:
        seed = sum(map(ord, burst + sensed + layer))
        values = np.random.default_rng(seed).gamma(4.0, 0.02, (30, 40)).astype(np.float32)
    path = folder / (
        f"OPERA_L2_RTC-S1_{burst}_{sensed}Z_{processed}Z_{platform}_30_v1.0_{layer}.tif"
    )
    settings = {
        "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
        "dtype": values.dtype.name, "crs": None if epsg is None else f"EPSG:{epsg}",
        "transform": Affine(30.0, 0.0, origin[0], 0.0, -30.0, origin[1]),
        "nodata": np.nan if values.dtype == np.float32 else None,
    }  # fmt: skip
    tags = profile.pop("tags", {})
    with rasterio.open(path, "w", **(settings | profile)) as dataset:
        dataset.write(values, 1)
        dataset.update_tags(**tags)
    return path


@pytest.fixture
def product() -> Callable[..., Path]:
    return write_product


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """Two bursts, three passes, VV and VH; the last pass was reprocessed years later."""
    folder = tmp_path / "downloads"
    for burst in (BURST, OTHER_BURST):
        for sensed, processed in (
            ("20221220T015858", "20221220T160000"),
            ("20230101T015907", "20230101T140000"),
            ("20230113T015906", "20250118T044147"),
        ):
            for layer in ("VV", "VH"):
                write_product(folder, burst=burst, sensed=sensed, processed=processed, layer=layer)
    return folder


@pytest.fixture
def archive_folder(products: Path, tmp_path: Path) -> Path:
    """A small archive: six looks."""
    return build(products, tmp_path / "archive", licence="Apache-2.0").path


@dataclass
class Reply:
    """One thing the server does when asked."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    delay_s: float = 0.0
    drip_s: float = 0.0
    """Bytes come one by one, so far apart."""


@dataclass
class Asked:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Misbehaving:
    """A real HTTP server; replies per path are used up in order, the last one stays."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                owner.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                owner.answer(self)

            do_GET = do_POST = do_HEAD = handle_any  # noqa: N815 - named by http.server

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def on(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def asked_at(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.partition("?")[0] == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        queue = self.replies.get(path, [Reply({"detail": "nothing here"}, status=404)])
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        time.sleep(reply.delay_s)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if reply.cut:
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            # RST instead of FIN: the connection breaks, it does not end.
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            return
        for piece in [body[n : n + 1] for n in range(len(body))] if reply.drip_s else [body]:
            handler.wfile.write(piece)
            time.sleep(reply.drip_s)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Sentinel Hub on loopback; it must not break itself."""
    server = HubServer()
    yield server
    server.close()
    assert server.broken == []


@pytest.fixture
def hub_catalogue(hub: HubServer) -> Callable[..., Any]:
    """Makes the catalogue that asks it; settings can be chosen."""

    def make(**settings: Any) -> Any:
        own = {
            "url": hub.url, "token_url": hub.token_url, "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET, "attempts": 3, "backoff_s": 0.01,
            "longest_wait_s": 0.2, "timeout_s": 2.0, **settings,
        }  # fmt: skip
        return make_catalogue("hub", CatalogueSettings(kind="sentinel-hub", **own))

    return make
