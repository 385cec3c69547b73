"""Run uv with the settings that pip has been given.

uv reads its own ``UV_*`` variables and no ``pip.conf``. Whoever has told pip of a mirror, a
certificate or a proxy has said enough: this script says the same to uv and runs it. Settings
pass by environment, never on the command line, since an index address may hold a password.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

#: pip's option, uv's variable, and what stands between several values.
TRANSLATIONS = (
    ("index-url", "UV_DEFAULT_INDEX", None),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("no-index", "UV_NO_INDEX", None),
    ("trusted-host", "UV_INSECURE_HOST", " "),
    ("timeout", "UV_HTTP_TIMEOUT", None),
    ("default-timeout", "UV_HTTP_TIMEOUT", None),
    ("proxy", "ALL_PROXY", None),
    ("cert", "SSL_CERT_FILE", None),
    ("client-cert", "SSL_CLIENT_CERT", None),
)


def pip_options(listing: str) -> dict[str, str]:
    """Return pip's effective options out of ``pip config list``.

    pip prints ``section.option='value'``; the environment wins over the ``install`` section,
    which wins over ``global``.
    """
    ranked: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, separator, literal = line.partition("=")
        section, _, option = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if not separator or rank is None:
            continue
        value = str(ast.literal_eval(literal))
        if rank >= ranked.get(option, (-1, ""))[0]:
            ranked[option] = (rank, value)
    return {option: value for option, (_, value) in ranked.items()}


def uv_environment(options: dict[str, str], present: dict[str, str]) -> dict[str, str]:
    """Return the variables that say to uv what ``options`` say to pip.

    What is already ``present`` in the environment was meant for uv and stays.
    """
    added: dict[str, str] = {}
    for option, variable, separator in TRANSLATIONS:
        value = options.get(option, "").strip()
        if not value or variable in present or variable in added:
            continue
        added[variable] = separator.join(value.split()) if separator else value
    if "UV_INDEX" in added and "UV_INDEX_STRATEGY" not in present:
        # pip takes the best file of all indexes. Every file is pinned by its hash in the lock, so
        # the reason why uv is more careful does not apply.
        added["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return added


def main() -> None:
    """Run uv with the arguments this script was given, and end as it ended."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    environment = dict(os.environ)
    environment.update(uv_environment(pip_options(listing), environment))
    uv = Path(sys.executable).parent / "uv"
    sys.exit(subprocess.run([uv, *sys.argv[1:]], check=False, env=environment).returncode)


if __name__ == "__main__":
    main()
