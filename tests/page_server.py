"""The page over real HTTP on loopback, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from flows.archive.server import listen
from flows.services import Services
from flows.web.accounts import Accounts, Role
from flows.web.app import make_app

REVIEWER, OPERATOR, PASSWORD = "Kari", "Ola", "correct horse battery"


@contextmanager
def served_page(services: Services, names: Sequence[str] = ()) -> Iterator[str]:
    """Serve the page, with one reviewer and one operator; yields its address."""
    accounts = Accounts(services.settings.home)
    accounts.add(REVIEWER, PASSWORD, Role.REVIEWER)
    accounts.add(OPERATOR, PASSWORD, Role.OPERATOR)
    with listen(0) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                make_app(services, names),
                log_config=None,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
