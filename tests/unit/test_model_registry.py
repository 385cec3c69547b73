"""Versions of a model: what is asked, what is kept, and what a broken one changes (nothing)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from detectors import weights
from detectors.errors import ConfigurationError, InvalidWeights
from flows import doctor
from flows.model_registry import Registry, check
from flows.services import Services
from flows.settings import load
from tests.learning import inventory, typed

NAME = "landslide-rgb"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home" / "models")


def trained(folder: Path, dropped: int) -> Path:
    """A model of one member less than the shipped one, as a training would leave it."""
    shutil.copytree(weights.MODELS / NAME, folder)
    description = folder / weights.DESCRIPTION
    document = json.loads(description.read_text())
    del document["assets"][list(document["assets"])[dropped]]
    description.write_text(json.dumps(document))
    return folder


def test_without_a_registry_the_shipped_one_is_asked(registry: Registry) -> None:
    assert registry.in_use(NAME) == weights.MODELS / NAME
    assert registry.history(NAME) == []
    with pytest.raises(ConfigurationError, match="nothing to roll back"):
        registry.rollback(NAME)
    with pytest.raises(ConfigurationError, match="known: landslide-rgb"):
        registry.in_use("moon")


def test_promotions_are_kept_and_taken_back_one_by_one(registry: Registry, tmp_path: Path) -> None:
    first, second = (registry.add(trained(tmp_path / str(k), k)) for k in (0, 1))
    assert registry.in_use(NAME) == weights.MODELS / NAME
    for path in (first, second):
        model = registry.promote(f"{NAME}/{path.name}")
        assert registry.in_use(NAME) == path
        assert model.version == f"{NAME}/{path.name}"
    with pytest.raises(ConfigurationError, match="in use already"):
        registry.promote(f"{NAME}/{second.name}")
    registry.rollback(NAME)
    assert registry.in_use(NAME) == first
    registry.rollback(NAME)
    assert registry.in_use(NAME) == weights.MODELS / NAME
    with pytest.raises(ConfigurationError, match="nothing to roll back"):
        registry.rollback(NAME)
    did = [change.did for change in registry.history(NAME)]
    assert did == ["promote", "promote", "rollback", "rollback"]


def test_the_shipped_one_can_be_promoted_back(registry: Registry, tmp_path: Path) -> None:
    own = registry.add(trained(tmp_path / "own", 0))
    registry.promote(f"{NAME}/{own.name}")
    registry.promote(weights.describe(NAME).version)
    assert registry.in_use(NAME) == weights.MODELS / NAME
    registry.rollback(NAME)
    assert registry.in_use(NAME) == own


def changed(folder: Path) -> None:
    file = weights.describe(folder.name, folder.parent).members[0].file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def cut_short(folder: Path) -> None:
    file = weights.describe(folder.name, folder.parent).members[0].file
    file.write_bytes(file.read_bytes()[:1000])


def half_copied(folder: Path) -> None:
    weights.describe(folder.name, folder.parent).members[1].file.unlink()


def no_card(folder: Path) -> None:
    (folder / "CARD.md").unlink()


def no_licence(folder: Path) -> None:
    path = folder / weights.DESCRIPTION
    document = json.loads(path.read_text())
    del document["properties"]["license"]
    path.write_text(json.dumps(document))


def outside(folder: Path) -> None:
    path = folder / weights.DESCRIPTION
    path.write_text(path.read_text().replace('"href": "', '"href": "../'))


@pytest.mark.parametrize("spoil", [changed, cut_short, half_copied, no_card, no_licence, outside])
def test_a_broken_model_takes_no_place(registry: Registry, tmp_path: Path, spoil: object) -> None:
    good = registry.add(trained(tmp_path / "good", 0))
    registry.promote(f"{NAME}/{good.name}")
    broken = trained(tmp_path / "broken", 1)
    spoil(broken)  # type: ignore[operator]
    with pytest.raises(InvalidWeights):
        registry.add(broken)
    assert registry.in_use(NAME) == good
    assert [p.name for p in (registry.folder / NAME).iterdir() if p.is_dir()] == [good.name]


def test_what_broke_in_the_registry_is_not_promoted(registry: Registry, tmp_path: Path) -> None:
    good, broken = (registry.add(trained(tmp_path / str(k), k)) for k in (0, 1))
    registry.promote(f"{NAME}/{good.name}")
    changed(broken)
    with pytest.raises(InvalidWeights, match="was changed"):
        registry.promote(f"{NAME}/{broken.name}")
    assert registry.in_use(NAME) == good
    with pytest.raises(InvalidWeights, match="was changed"):
        registry.add(trained(tmp_path / "again", 1))


def test_a_garbled_history_is_named(registry: Registry, tmp_path: Path) -> None:
    registry.add(trained(tmp_path / "own", 0))
    (registry.folder / NAME / "history.json").write_text('[{"at": 1}]')
    with pytest.raises(InvalidWeights, match="garbled"):
        registry.in_use(NAME)


def test_the_commands(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_HOME", str(registry.folder.parent))
    folder = trained(tmp_path / "own", 0)
    shipped = weights.describe(NAME).version
    said = json.loads(typed("models", "promote", folder, "--json").stdout)
    services = Services(load(), None, None, ())  # type: ignore[arg-type]
    assert services.asked(NAME).folder == registry.in_use(NAME)
    listed = json.loads(typed("models", "list", "--json").stdout)["models"]
    assert {row["version"]: row["in_use"] for row in listed} == {
        shipped: False,
        said["in_use"]: True,
    }
    shown = json.loads(typed("models", "show", NAME, "--json").stdout)
    assert shown["version"] == said["in_use"]
    assert "Trained on" in shown["card"]
    assert [change["did"] for change in shown["history"]] == ["promote"]
    assert len(shown["members"]) == 2
    changed(registry.in_use(NAME))
    for words in (("models", "list"), ("models", "show", NAME)):
        result = typed(*words)
        assert result.exit_code == 0, result.output
    assert re.search(r"broken +in use", typed("models", "list").stdout)
    seen = next(one for one in doctor.examine(load()) if one.name == "models")
    assert (seen.state, "was changed" in seen.said) == (doctor.FAIL, True)
    assert json.loads(typed("models", "rollback", NAME, "--json").stdout)["in_use"] == shipped
    assert typed("models", "rollback", NAME).exit_code == 2
    assert typed("models", "promote", f"{NAME}/0123").exit_code == 2


@pytest.mark.slow
def test_an_inventory_becomes_a_version_in_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_HOME", str(tmp_path / "home"))
    images, masks = inventory(tmp_path, list(range(1, 22)))
    out = tmp_path / "mine"
    result = typed(
        "train", "--recipe", NAME, "--from", NAME, "--member", "linknet-resnet", "--epochs", 2,
        "--images", images, "--masks", masks, "--out", out, "--licence", "CC-BY-4.0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    model = check(out)
    assert model.licence == "CC-BY-4.0"
    card = (out / "CARD.md").read_text()
    for told in ("Trained on", "Licence", "Not known", "15 train in 5 groups"):
        assert told in card
    registry = Registry(tmp_path / "home" / "models")
    assert registry.in_use(NAME) == weights.MODELS / NAME
    promoted = typed("models", "promote", model.version)
    assert promoted.exit_code == 0, promoted.output
    evaluated = typed("evaluate", "--recipe", NAME, "--images", images, "--masks", masks,
        "--orientations", 1)  # fmt: skip
    assert model.version in evaluated.stdout
