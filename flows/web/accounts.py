"""Who may decide and change what: names, roles and hashed passwords in a file of the state folder.

Mode 0600.

Not in the database, which analysts read. Passwords are hashed by scrypt with a salt of their own;
the cost stands beside each hash, so that it may rise later.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from detectors.errors import ConfigurationError
from flows.files import write_whole

NAME = "logins.json"


class Role(enum.StrEnum):
    """What somebody may do on the page besides reading."""

    REVIEWER = "reviewer"
    """Decide about landslides."""
    OPERATOR = "operator"
    """Draw, change and remove regions."""


#: 32 MiB and about 0.1 s on one core.
_N, _R, _P = 2**15, 8, 1
_MEMORY = 2**26
SHORTEST, LONGEST = 12, 256
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Login:
    """What is kept of somebody."""

    kept: str
    """Hash of the password."""
    roles: frozenset[Role]
    """At least one."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The logins of one state folder."""

    home: Path
    """State folder."""

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return self.home / NAME

    def names(self, role: Role) -> list[str]:
        """Return who has a role, sorted.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        return sorted(name for name, login in self._read().items() if role in login.roles)

    def add(self, name: str, password: str, role: Role = Role.REVIEWER) -> bool:
        """Give somebody a role and a password, which becomes that of their other role, too.

        Returns:
            Whether they did not have the role.

        Raises:
            ConfigurationError: name or password will not do.
        """
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise ConfigurationError(f"a name has 1 to {LONGEST_NAME} printable characters")
        if not SHORTEST <= len(password) <= LONGEST:
            raise ConfigurationError(f"a password has {SHORTEST} to {LONGEST} characters")
        known = self._read()
        had = known[name].roles if name in known else frozenset()
        self._write(known | {name: Login(hashed(password), had | {role})})
        return role not in had

    def remove(self, name: str, role: Role = Role.REVIEWER) -> None:
        """Take a role away, and with the last one the login.

        Raises:
            ConfigurationError: nobody of that name has it.
        """
        known = self._read()
        if name not in known or role not in known[name].roles:
            there = ", ".join(self.names(role)) or "nobody"
            raise ConfigurationError(f"no {role} {name!r}; known: {there}")
        login = known.pop(name)
        if left := login.roles - {role}:
            known[name] = replace(login, roles=left)
        self._write(known)

    def roles(self, name: str) -> frozenset[Role]:
        """Return what somebody may do; nothing where nobody has that name."""
        login = self._read().get(name)
        return frozenset() if login is None else login.roles

    def stamp(self, name: str) -> str | None:
        """Return what changes with somebody's password, None where nobody has that name."""
        login = self._read().get(name)
        return None if login is None else login.kept

    def matches(self, name: str, password: str) -> str | None:
        """Return the stamp of somebody whose password this is, None otherwise.

        An unknown name takes as long as a wrong password.
        """
        kept = self.stamp(name)
        right = verify(password[: LONGEST + 1], kept or _NOBODY)
        return kept if right else None

    def _read(self) -> dict[str, Login]:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return {
                name: Login(login["password"], frozenset(map(Role, login["roles"])))
                for name, login in document.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{self.path} cannot be read: {error}") from None

    def _write(self, known: dict[str, Login]) -> None:
        document = {
            name: {"password": login.kept, "roles": sorted(login.roles)}
            for name, login in known.items()
        }
        self.home.mkdir(parents=True, exist_ok=True)
        before = os.umask(0o077)
        try:
            write_whole(self.path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
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
