"""``scarpwatch models``: what trained networks there are, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.learning import Images, Masks, RecipeName
from flows.cli.options import AsJson
from flows.cli.output import emit, plain, progress, screen, some, table

if TYPE_CHECKING:
    from detectors.weights import Model
    from flows.inferring import Prepared
    from flows.model_registry import Registry

app = typer.Typer(help="Trained networks: what there is, which one is asked, what it is worth.")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that was trained into.")],
    images: Images,
    masks: Masks,
    recipe: RecipeName = "landslide-rgb",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For pictures; DIR/report if not given.")
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The table it was trained with.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="A model in use, to compare with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Average the K best members of a training folder and compare them on the test patches.

    Members are ranked, K and thresholds chosen on validation. Writes report.json, F1 against K, a
    performance diagram, an agreement map and a reliability diagram.
    """
    from detectors import ensemble
    from detectors.training import recipes
    from flows import model_report, training

    declared = recipes.get(recipe)
    asked = ensemble.load(against) if against else None
    patches = training.read(images, masks, declared.window, groups)
    total = len(model_report.trained(declared, folder))
    with progress(total, "members", hidden=as_json) as done:
        made = model_report.report(declared, folder, patches, asked, done)
    target = out or folder / "report"
    made.write(target)
    if as_json:
        emit(made.figures)
    else:
        _print_report(made.figures, target)


def _print_report(figures: Mapping[str, Any], target: Path) -> None:
    rows = table("member", "F1 validation", "F1 test", "precision", "recall", "bias")
    named = [(row["member"], row) for row in figures["members"]]
    if figures["best_size"] > 1:
        named.append((f"mean of the {figures['best_size']} best", figures["ensemble"]))
    if "against" in figures:
        named.append((figures["against"]["version"], {"validation_f1": None, **figures["against"]}))
    for name, row in named:
        test, f1 = row["test"], row["validation_f1"]
        rows.add_row(
            plain(name), "" if f1 is None else f"{f1:.3f}",
            *(f"{test[k]:.3f}" for k in ("f1", "precision", "recall", "frequency_bias")),
        )  # fmt: skip
    screen().print(rows)
    low, high = figures["gain_interval"]
    screen().print(
        f"{some(figures['patches'], 'test patch', 'test patches')} in "
        f"{some(figures['groups'], 'group')}. Gain of the mean over the single best on validation: "
        f"95 % between {low:+.3f} and {high:+.3f}."
    )
    if "against" in figures:
        low, high = figures["against"]["gain_interval"]
        screen().print(f"Gain over {figures['against']['version']}: {low:+.3f} to {high:+.3f}.")
    screen().print(f"Written to {plain(str(target))}.")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all versions of all models, and which one is asked."""
    registry = _registry()
    found = [
        _summary(registry, name, path)
        for name in registry.names()
        for path in registry.versions(name)
    ]
    if as_json:
        emit({"models": found})
        return
    rows = table("version", "from", "members", "F1 validation", "MB", "licence", "")
    for row in found:
        if "error" in row:
            broken = ("", "", "", "[fail]broken[/]")
            rows.add_row(plain(row["version"]), row["origin"], *broken, _used(row))
            continue
        rows.add_row(
            plain(row["version"]), row["origin"], str(len(row["members"])),
            f"{row['validation_f1']:.3f}", f"{row['bytes'] / 1e6:.1f}", plain(row["licence"]),
            _used(row),
        )  # fmt: skip
    screen().print(rows)


def _used(row: Mapping[str, Any]) -> str:
    return "[ok]in use[/]" if row["in_use"] else ""


@app.command()
def show(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="NAME for the one in use, or NAME/DIGITS.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show one version: members with their checksums, card, licence, history of the model."""
    import dataclasses

    from flows.model_registry import CARD

    registry = _registry()
    path = registry.find(version)
    name = version.partition("/")[0]
    summary = _summary(registry, name, path)
    history = [dataclasses.asdict(change) for change in registry.history(name)]
    card = path / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if as_json:
        emit({**summary, "history": history, "card": text})
        return
    console = screen()
    console.print(f"[name]{plain(summary['version'])}[/]  {'in use' if summary['in_use'] else ''}")
    if "error" in summary:
        console.print(f"[fail]{plain(summary['error'])}[/]")
    rows = table("member", "architecture", "encoder", "F1 validation", "sha256")
    for member in summary.get("members", ()):
        rows.add_row(
            plain(member["name"]), plain(member["architecture"]), plain(member["encoder"]),
            f"{member['validation_f1']:.3f}", member["sha256"][:12],
        )  # fmt: skip
    console.print(rows)
    for change in history:
        console.print(f"  {change['at']}  {change['did']}  {plain(change['version']) or 'shipped'}")
    console.print()
    console.print(text, markup=False)


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of an ensemble.")] = "landslide-rgb",
    as_json: AsJson = False,
) -> None:
    """Measure every inference back end on this machine and keep what the fastest needs.

    Takes about a minute. With inference_backend = auto it happens by itself in the first process
    that spends a minute on networks; nothing but speed changes.
    """
    import dataclasses

    from detectors import ensemble
    from detectors.backends import BACKENDS
    from flows import inferring, settings
    from flows.model_registry import Registry

    wanted = settings.load()
    folder = Registry(wanted.models).in_use(name)
    asked = ensemble.load(folder.name, folder.parent)
    with progress(len(asked.networks) + len(BACKENDS), "steps", hidden=as_json) as done:
        prepared = inferring.prepare(asked, wanted.home, done)
    if as_json:
        emit(dataclasses.asdict(prepared))
    else:
        _print_prepared(prepared)


def _print_prepared(prepared: Prepared) -> None:
    own = next(way for way in prepared.ways if not way.failed)
    rows = table("back end", "verdict", "search", "times eager", "differs", "")
    for way in prepared.ways:
        if way.verdict_s and way.search_s and own.verdict_s and own.search_s:
            gains = f"{own.verdict_s / way.verdict_s:.2f}, {own.search_s / way.search_s:.2f}"
            chosen = "[ok]fastest[/]" if way.backend == prepared.backend else ""
            rows.add_row(
                way.backend, f"{way.verdict_s:.2f} s", f"{way.search_s:.2f} s", gains,
                f"{way.differs:.0e}", chosen,
            )  # fmt: skip
        else:
            rows.add_row(way.backend, "", "", "", "", f"[fail]{plain(way.failed)}[/]")
    screen().print(rows)
    screen().print(
        f"[name]{plain(prepared.version)}[/] on {plain(prepared.machine['processor'])}: processor "
        "seconds of all members on one window. inference_backend = auto takes the fastest."
    )


@app.command()
def promote(
    version: Annotated[
        str,
        typer.Argument(metavar="VERSION", help="NAME/DIGITS, or a folder with a trained model."),
    ],
    as_json: AsJson = False,
) -> None:
    """Let a version be asked from now on, once every byte of it was checked.

    A folder is copied into the registry first. What was in use before is kept.
    """
    registry = _registry()
    folder = Path(version)
    if (folder / "model.json").is_file():
        from detectors import weights

        added = registry.add(folder)
        version = weights.describe(added.name, added.parent).version
    _print_use(registry.promote(version), as_json=as_json)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as landslide-rgb.")],
    as_json: AsJson = False,
) -> None:
    """Return to the version that was in use before the last one was promoted."""
    _print_use(_registry().rollback(name), as_json=as_json)


def _registry() -> Registry:
    from flows import settings
    from flows.model_registry import Registry

    return Registry(settings.load().models)


def _summary(registry: Registry, name: str, path: Path) -> dict[str, Any]:
    """Return a version as JSON, with the reason where it cannot be used."""
    from detectors import weights
    from detectors.errors import InvalidWeights
    from flows.model_registry import check

    known = {
        "version": f"{name}/{path.name}",
        "origin": "product" if path.parent == weights.MODELS else "operator",
        "in_use": path == registry.in_use_or_none(name),
    }
    try:
        model = check(path)
    except InvalidWeights as error:
        return {**known, "error": str(error)}
    return {
        **known,
        "version": model.version,
        "licence": model.licence,
        "bands": list(model.bands),
        "threshold": model.threshold,
        "validation_f1": model.validation_f1,
        "bytes": sum(member.file.stat().st_size for member in model.members),
        "members": [
            {
                "name": member.name,
                "architecture": member.network.architecture,
                "encoder": member.network.encoder,
                "validation_f1": member.validation_f1,
                "sha256": member.sha256,
            }
            for member in model.members
        ],
    }


def _print_use(model: Model, *, as_json: bool) -> None:
    if as_json:
        emit({"in_use": model.version})
    else:
        screen().print(f"In use: {plain(model.version)}")
