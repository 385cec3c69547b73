"""Whatever a person can type, set, choose or query is written down somewhere.

Documentation is README.md, the README of each package and infra/runbook.md. A thing counts as
documented when its name stands there as code: between backticks or in a fenced block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
import typer.main

import alerts.channels.registry
import detectors.registry
import flows.catalogs.registry
from db.tables import Base
from flows.cli import app
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "detectors", "db", "alerts")


def documents() -> list[Path]:
    readmes = [path for package in PACKAGES for path in (ROOT / package).rglob("README.md")]
    return [ROOT / "README.md", ROOT / "infra" / "runbook.md", *sorted(readmes)]


def code_in(text: str) -> str:
    """Everything that the text shows as code."""
    fence = re.compile(r"^ *(```|~~~).*?^ *\1", re.MULTILINE | re.DOTALL)
    blocks = [match.group() for match in fence.finditer(text)]
    spans = re.findall(r"`([^`\n]+)`", fence.sub("", text))
    return "\n".join([*blocks, *spans])


def code_of(*folders: str) -> str:
    """What the documents below these folders show as code."""
    paths = [path for path in documents() if str(path.relative_to(ROOT)).startswith(folders)]
    return "\n".join(code_in(path.read_text(encoding="utf-8")) for path in paths)


@pytest.fixture(scope="module")
def shown() -> str:
    return code_of("")


def missing(names: list[str], shown: str) -> list[str]:
    """The names that do not stand there as whole words."""
    return [
        name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", shown)
    ]


def commands() -> list[str]:
    """Every command as it is typed, with the names of its groups."""

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if children is None:
            yield " ".join(path)
            return
        for name, child in children.items():
            if not child.hidden:
                yield from walk(child, (*path, name))

    return list(walk(typer.main.get_command(app), ("scarpwatch",)))


def models_in(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """The models that an annotation holds, at any depth (``Model | None``)."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def settings_of(model: type[pydantic.BaseModel], prefix: str) -> Iterator[str]:
    """Variables of a settings class, and field names of the models inside."""
    for name, field in model.model_fields.items():
        yield prefix + name.upper() if prefix else name
        for inner in models_in(field.annotation):
            yield from settings_of(inner, "")


def test_every_package_has_a_readme() -> None:
    absent = [package for package in PACKAGES if not (ROOT / package / "README.md").exists()]
    assert absent == []


def test_commands_are_documented(shown: str) -> None:
    assert len(commands()) > 10
    assert missing(commands(), shown) == []


def test_documented_commands_exist() -> None:
    # The other way round: what the documents show as a command line can be typed.
    known = {tuple(command.split()[1:]) for command in commands()}
    known |= {command[:-1] for command in known if len(command) > 2}  # groups within groups
    groups = {command[:1] for command in known if len(command) > 1}
    wrong = set()
    for path in documents():
        code = code_in(path.read_text(encoding="utf-8"))
        for first, second in re.findall(r"\bscarpwatch +([a-z][a-z-]*)(?: +([a-z][a-z-]*))?", code):
            typed = (first, second) if (first,) in groups else (first,)
            if typed not in known and not ((first,) in groups and not second):
                wrong.add(f"{path.relative_to(ROOT)}: scarpwatch {' '.join(typed)}")
    assert wrong == set()


def test_settings_are_documented(shown: str) -> None:
    prefix = str(Settings.model_config["env_prefix"])
    assert missing(sorted(set(settings_of(Settings, prefix))), shown) == []


def test_detectors_are_documented(shown: str) -> None:
    assert missing(list(detectors.registry.names()), shown) == []


def test_catalogues_are_documented(shown: str) -> None:
    registry = flows.catalogs.registry
    assert missing([*registry.KINDS, *registry.READY_MADE], shown) == []


def test_channels_are_documented() -> None:
    # Beside the code: "file" and "webhook" are words that stand anywhere.
    assert missing(list(alerts.channels.registry.SENDERS), code_of("alerts")) == []


def test_tables_are_documented() -> None:
    # Beside the code: "regions" and "alerts" are names of commands, too.
    tables = [table.name for table in Base.metadata.sorted_tables]
    assert tables
    assert missing(tables, code_of("db")) == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []
