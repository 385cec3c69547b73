"""``scarpwatch evaluate`` and ``scarpwatch train``: ensembles against labelled pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.output import emit, plain, progress, screen, some, table

if TYPE_CHECKING:
    from detectors.training.dataset import Patches
    from detectors.weights import Model
    from flows.evaluating import Evaluation
    from flows.fine_tuning import Beginning
    from flows.training_results import Result

RecipeName = Annotated[str, typer.Option("--recipe", metavar="NAME", help="Such as landslide-rgb.")]
Images = Annotated[Path, typer.Option(metavar="DIR", help="PNG or GeoTIFF pictures: R, G, B.")]
Masks = Annotated[Path, typer.Option(metavar="DIR", help="Their masks, same names, above 0 = yes.")]

SIDES = ("train", "validation", "test")


def evaluate(
    recipe: RecipeName,
    images: Images,
    masks: Masks,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE", help=f"Only patches of this side, by number: {', '.join(SIDES)}."
        ),
    ] = None,
    orientations: Annotated[
        int, typer.Option(min=1, max=8, metavar="N", help="Turns and mirror images averaged.")
    ] = 8,
    as_json: AsJson = False,
) -> None:
    """Score the ensemble in use, and its best member alone, against pictures with masks.

    The best member is the one that was best on the validation patches of its training.
    """
    from detectors.training.dataset import Split
    from flows import evaluating, patches, settings
    from flows.inferring import Asked
    from flows.model_registry import Registry

    if split is not None and split not in SIDES:
        raise typer.BadParameter(f"no side {split!r}; known: {', '.join(SIDES)}")
    pairs = patches.find(images, masks, Split(split) if split else None)
    wanted = settings.load()
    in_use = Registry(wanted.models).in_use(recipe)
    asked = Asked(in_use, wanted.home, wanted.inference_backend).load()
    with progress(len(pairs), "pictures", hidden=as_json) as done:
        evaluation = evaluating.evaluate(asked, pairs, orientations, done)
    if as_json:
        emit(
            {
                "ensemble": dataclasses.asdict(evaluation.of_ensemble),
                "best_member": dataclasses.asdict(evaluation.of_best_member),
            }
        )
    else:
        _print_evaluation(evaluation)


def _print_evaluation(evaluation: Evaluation) -> None:
    """Print both columns of figures side by side."""
    model = evaluation.ensemble.model
    best = model.members[evaluation.ensemble.best_member].name
    console = screen()
    console.print(
        f"[name]{plain(model.version)}[/]  {some(len(model.members), 'member')}, "
        f"{some(len(evaluation.tallies), 'picture')}"
    )
    rows = table("", "ensemble", f"best member ({plain(best)})")
    together = dataclasses.asdict(evaluation.of_ensemble)
    alone = dataclasses.asdict(evaluation.of_best_member)
    for name, value in together.items():
        figures = (f"{v:,}" if isinstance(v, int) else f"{v:.3f}" for v in (value, alone[name]))
        rows.add_row(name.replace("_", " "), *figures)
    console.print(rows)


def train(
    recipe: RecipeName,
    images: Images,
    masks: Masks,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for weights and results.")],
    grid: Annotated[
        bool,
        typer.Option(
            "--grid", help="Every architecture with every loss and rate instead of its members."
        ),
    ] = False,
    members: Annotated[
        list[str] | None,
        typer.Option(
            "--member", metavar="NAME", help="Only this one, repeatable; * stands for anything."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Instead of what the recipe says.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Batches in an epoch.")
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=32, metavar="N", help="Learn from squares of so many pixels."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV, image and group: whole events go to one side."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was broken off in OUT.")
    ] = False,
    begin_with: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MODEL", help="Begin with the weights of this model; register."
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="Of the weights that come out.")
    ] = "other",
) -> None:
    """Train the members of a recipe and put the best ones together as an ensemble.

    With --member only some are trained; all that OUT then holds compete for a place. The test
    patches are not looked at. A training that is killed goes on after its last epoch with --resume.
    With --from an inventory of your own becomes a version that `scarpwatch models promote` can put
    to use.
    """
    from flows.training_orders import Order

    if grid and begin_with:
        raise typer.BadParameter("--grid begins with random weights, --from with those of a model")
    order = Order(
        recipe, str(images), str(masks), str(out), grid, members, epochs, steps, crop,
        str(groups) if groups else None, str(_find(begin_with)) if begin_with else None,
    )  # fmt: skip
    results = []
    for name in order.names():
        with progress(order.spec(name).epochs, "epochs", hidden=False, what=name) as done:
            results.append(order.train(name, done, resume=resume))
    total = len(order.declared.members)
    with progress(total, "members", hidden=False, what="putting together") as done:
        model = order.assemble(done, licence)
    _print_training(results, [member.name for member in model.members])
    screen().print(f"Written to {plain(str(out))}: {plain(model.version)}")
    if order.beginning:
        _register(order.beginning, model, order.patches, out)


def _find(model: str) -> Path:
    """Return the folder of a model by name or version."""
    from flows import settings
    from flows.model_registry import Registry

    return Registry(settings.load().models).find(model)


def _register(beginning: Beginning, model: Model, patches: Patches, out: Path) -> None:
    """Write the card of a fine-tuned model, add it to the registry, say what may come next."""
    from flows import fine_tuning, settings
    from flows.files import write_whole
    from flows.model_registry import CARD, Registry

    began = beginning.ensemble.model
    before, after = beginning.f1(patches), model.validation_f1
    write_whole(out / CARD, fine_tuning.card(model, began, before, after, patches).encode())
    Registry(settings.load().models).add(out)
    screen().print(
        f"F1 on validation: {before:.3f} with {plain(began.version)}, {after:.3f} now.\n"
        f"Registered, not in use: 'scarpwatch models promote {plain(model.version)}'"
    )


def _print_training(results: list[Result], chosen: list[str]) -> None:
    """Print one line per member that was trained."""
    rows = table("member", "parameters", "loss", "best epoch", "validation F1", "chosen")
    for r in results:
        rows.add_row(
            plain(r.member), f"{r.parameters:,}", r.loss, f"{r.best_epoch} of {r.epochs}",
            f"{r.validation_f1:.3f}", "yes" if r.member in chosen else "",
        )  # fmt: skip
    screen().print(rows)
