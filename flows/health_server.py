"""``/health`` and ``/metrics`` over HTTP: what a load balancer and Prometheus ask."""

from __future__ import annotations

import json

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flows import gauges
from flows.guarding import Guard, Limits
from flows.services import Services

#: Each question reads the database: two at once are plenty for whoever asks every few seconds.
LIMITS = Limits(body=0, seconds=20.0, at_once=8, each=5.0, burst=60)


def make_app(services: Services) -> Guard:
    """Return the ASGI application.

    ``/health`` answers 200 where all is well and 503 with the alarms in words where it is not;
    ``/metrics`` answers 200 as long as the process lives.
    """

    def health(_: Request) -> Response:
        well, document = gauges.health(services)
        content = json.dumps(document, indent=1) + "\n"
        return Response(content, 200 if well else 503, media_type="application/json")

    def metrics(_: Request) -> Response:
        return Response(gauges.metrics(services), headers={"content-type": CONTENT_TYPE_LATEST})

    return Guard(Starlette(routes=[Route("/health", health), Route("/metrics", metrics)]), LIMITS)
