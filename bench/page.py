"""How fast the page is with many landslides: ``python -m bench.page [--landslides 100000]``.

A throwaway PostGIS is filled with landslides drawn at random over a thousand kilometres, three
versions each, and asked over HTTP as a browser asks. The figures are medians of some requests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time

import httpx
import uvicorn

from bench.many import many
from flows.archive.server import listen
from flows.services import Services
from flows.web.app import make_app


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landslides", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=7)
    asked = parser.parse_args()
    with many(asked.landslides) as (services, _):
        _ask(services, asked.repeat)


def _ask(services: Services, repeat: int) -> None:
    with listen(0) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(services), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=base, timeout=120) as client:
            for name, path in {
                "first page": "/",
                "page 1000": "/?page=1000",
                "filtered first page": "/?region=r3&state=confirmed&tier=likely&least=10",
                "map, world": "/map.json?bbox=-180,-80,180,80&zoom=2",
                "map, all of it": "/map.json?bbox=-1,39,11,51&zoom=7",
                "map, one region": "/map.json?bbox=3,44,4,46&zoom=9",
                "map, valley with outlines": "/map.json?bbox=3.4,45.0,3.6,45.1&zoom=13",
                "map, filtered": "/map.json?bbox=-1,39,11,51&zoom=7&state=confirmed",
            }.items():
                times, size = [], 0
                for _ in range(repeat):
                    began = time.monotonic()
                    answer = client.get(path)
                    times.append(time.monotonic() - began)
                    answer.raise_for_status()
                    size = len(answer.content)
                shown = ""
                if path.startswith("/map"):
                    found = json.loads(answer.content)
                    shown = f"; {len(found['heaps'])} heaps, {len(found['spots'])} spots"
                print(
                    f"{name}: median {statistics.median(times):.3f} s, first {times[0]:.3f} s, "
                    f"{size / 1000:.0f} kB{shown}"
                )
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
