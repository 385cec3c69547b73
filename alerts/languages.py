"""Languages: a folder of templates and a file of words each, ours and over them the agency's own.

``templates/LANGUAGE`` holds what messages are written with. A folder of the same layout, named by
the setting ``templates``, goes before it file by file, so that an agency edits one text without
copying the others, and adds languages of its own.

Templates are rendered in a sandbox: they are texts of an agency, not code of this product.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerts.wording import ENGLISH
from detectors.errors import ConfigurationError

DEFAULT = "en"
WORDS = "words.toml"
#: A language tag as far as it is needed here: ``nb``, ``pt-BR``.
TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Language:
    """What messages of one language are written with."""

    tag: str
    """``en``, ``nb`` ..."""
    words: Mapping[str, str]
    """Words inside sentences; the keys are those of ``wording.ENGLISH``."""
    templates: ImmutableSandboxedEnvironment
    """Where templates are found by name, and rendered."""


def shipped() -> tuple[str, ...]:
    """Return the languages that come with the product, sorted."""
    return tuple(sorted(one.name for one in files("alerts").joinpath("templates").iterdir()))


def known(own: Path | None = None) -> tuple[str, ...]:
    """Return all languages there are, with the agency's own, sorted."""
    added = [] if own is None or not own.is_dir() else [p.name for p in own.iterdir() if p.is_dir()]
    return tuple(sorted({*shipped(), *(name for name in added if TAG.fullmatch(name))}))


@cache
def language(tag: str, own: Path | None = None) -> Language:
    """Return a language; read once in a process.

    Args:
        tag: ``en``, ``nb``, or a folder of the agency's.
        own: The agency's folder; None for ours alone.

    Raises:
        ConfigurationError: there is no such language, or its words cannot be read.
    """
    if tag not in known(own):
        raise ConfigurationError(f"no language {tag!r}; known: {', '.join(known(own))}")
    loaders: list[BaseLoader] = []
    words = dict(ENGLISH)
    if tag in shipped():
        words |= read_words(str(files("alerts").joinpath("templates", tag, WORDS)))
        loaders.append(PackageLoader("alerts", f"templates/{tag}"))
    if own is not None and (own / tag).is_dir():
        words |= read_words(str(own / tag / WORDS))
        loaders.insert(0, FileSystemLoader(own / tag))
    return Language(tag, words, environment(ChoiceLoader(loaders)))


def environment(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    """Return where templates are rendered: sandboxed, and an unknown name is an error."""
    # Plain text only, hence no HTML escaping: "Bø & Æ" must not arrive as "Bø &amp; Æ".
    return ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read_words(path: str) -> dict[str, str]:
    """Return the words of a file, none where there is no file.

    Raises:
        ConfigurationError: it is no TOML, or a word is no text.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{Path(path).name} cannot be read: {error}") from None
    if wrong := [key for key, value in found.items() if not isinstance(value, str)]:
        raise ConfigurationError(f"{Path(path).name}: no text: {', '.join(wrong)}")
    return found
