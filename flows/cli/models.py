"""``scarpwatch models``: what trained networks there are, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.learning import Images, Masks, RecipeName
from flows.cli.options import AsJson
from flows.cli.output import emit, plain, progress, screen, some, table

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


def _print_report(figures: dict[str, Any] | Any, target: Path) -> None:
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
