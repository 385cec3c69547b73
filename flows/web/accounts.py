"""Who may review: names and hashed passwords in a file of the state folder, mode 0600.

Not in the database, which analysts read. Passwords are hashed by scrypt with a salt of their own;
the cost stands beside each hash, so that it may rise later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from detectors.errors import ConfigurationError
from flows.files import write_whole

NAME = "reviewers.json"
#: 32 MiB and about 0.1 s on one core.
_N, _R, _P = 2**15, 8, 1
_MEMORY = 2**26
SHORTEST, LONGEST = 12, 256
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Accounts:
    """The reviewers of one state folder."""

    home: Path
    """State folder."""

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return self.home / NAME

    def names(self) -> list[str]:
        """Return who may review, sorted.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        return sorted(self._read())

    def add(self, name: str, password: str) -> bool:
        """Let somebody review, or give them a new password.

        Returns:
            Whether the name is new.

        Raises:
            ConfigurationError: name or password will not do.
        """
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise ConfigurationError(f"a name has 1 to {LONGEST_NAME} printable characters")
        if not SHORTEST <= len(password) <= LONGEST:
            raise ConfigurationError(f"a password has {SHORTEST} to {LONGEST} characters")
        known = self._read()
        new = name not in known
        self._write(known | {name: hashed(password)})
        return new

    def remove(self, name: str) -> None:
        """Let somebody review no longer.

        Raises:
            ConfigurationError: nobody of that name may.
        """
        known = self._read()
        if name not in known:
            raise ConfigurationError(f"no reviewer {name!r}; known: {', '.join(known) or 'nobody'}")
        self._write({one: kept for one, kept in known.items() if one != name})

    def stamp(self, name: str) -> str | None:
        """Return what changes with somebody's password, None where nobody has that name."""
        return self._read().get(name)

    def matches(self, name: str, password: str) -> str | None:
        """Return the stamp of somebody whose password this is, None otherwise.

        An unknown name takes as long as a wrong password.
        """
        kept = self._read().get(name)
        right = verify(password[: LONGEST + 1], kept or _NOBODY)
        return kept if right else None

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error}") from None

    def _write(self, known: dict[str, str]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        before = os.umask(0o077)
        try:
            write_whole(self.path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
        finally:
            os.umask(before)


def hashed(password: str) -> str:
    """Return what is kept of a password: scheme, cost, salt and hash."""
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, _N, _R, _P)
    return "$".join(("scrypt", str(_N), str(_R), str(_P), _text(salt), _text(made)))


def verify(password: str, kept: str) -> bool:
    """Tell whether a password is the one that was kept."""
    scheme, n, r, p, salt, made = kept.split("$")
    if scheme != "scrypt":
        return False
    again = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(again, base64.b64decode(made))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


#: A password that nobody has.
_NOBODY = "$".join(
    ("scrypt", str(_N), str(_R), str(_P), _text(b"nobody's salt..."), _text(b"x" * 64))
)
