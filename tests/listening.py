"""An application that listens, and where processes do, as the kernel has it."""

from __future__ import annotations

import ipaddress
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from flows.archive.server import listen
from flows.guarding import OPTIONS

_LISTEN = "0A"


def family(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from family(int(child))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    raw = bytes.fromhex(text)
    words = struct.unpack(f"<{len(raw) // 4}L", raw)
    return ipaddress.ip_address(struct.pack(f">{len(words)}L", *words))


def listens_at(pid: int) -> set[str]:
    """Return the addresses of the TCP sockets that a process and its children listen on."""
    mine = set()
    for one in family(pid):
        for handle in Path(f"/proc/{one}/fd").iterdir():
            try:
                mine.add(str(handle.readlink()))
            except FileNotFoundError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTEN and f"socket:[{words[9]}]" in mine:
                found.add(str(_address(words[1].partition(":")[0])))
    return found


@contextmanager
def listening(application: Any) -> Iterator[str]:
    """Serve on loopback as the commands do."""
    with listen(0) as listener:
        config = uvicorn.Config(
            application, log_config=None, timeout_graceful_shutdown=1, **OPTIONS
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
