"""Documents against the published schemas of STAC and of the extensions that they declare.

``infra/stac_schemas.py`` has fetched those of the extensions; the core's come with pystac.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource
from referencing.jsonschema import DRAFT7

FOLDER = Path(__file__).resolve().parents[1] / "build" / "schemas"
#: What another schema refers to and nobody recorded: the next version asks for more.
STANDS_IN = {"classification/v1.1.0": "classification/v2.0.0"}
#: Of no version that is recorded; the one that is knows all but two fields of it.
NEWER = {
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json": (
        "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
        ("processing:version", "processing:datetime"),
    )
}


@cache
def _retrieve(address: str) -> Resource[Any]:
    core = get_local_schema_cache()
    path = FOLDER / address.partition("://")[2]
    for asked, held in STANDS_IN.items():
        path = Path(str(path).replace(asked, held))
    if address in core:
        found = core[address]
    elif path.is_file():
        found = json.loads(path.read_bytes())
    else:
        raise NoSuchResource(ref=address)
    return Resource.from_contents(found, default_specification=DRAFT7)


def registry() -> Registry[Any]:
    """Return what finds schemas by their address, on this machine alone."""
    return Registry(retrieve=_retrieve)  # type: ignore[call-arg]


def stac_faults(document: Mapping[str, Any]) -> list[str]:
    """Return what the schemas of its extensions find in an item or a collection.

    Skips the test where they were not fetched.
    """
    if not (FOLDER / "made-of").exists():
        pytest.skip("no schemas of STAC's extensions: python infra/stac_schemas.py build/schemas")
    found = []
    for address in document["stac_extensions"]:
        held, seen = dict(document), address
        if address in NEWER:
            seen, unknown = NEWER[address]
            held["stac_extensions"] = [*document["stac_extensions"], seen]
            held["properties"] = {
                name: value for name, value in document["properties"].items() if name not in unknown
            }
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": seen}
        for fault in Draft7Validator(schema, registry=registry()).iter_errors(held):
            found += [f"{seen}: {one.json_path}: {one.message[:300]}" for one in _deepest(fault)]
    return found


def _deepest(fault: Any) -> list[Any]:
    """Return what is wrong itself, where one of several forms was to fit."""
    if not fault.context:
        return [fault]
    return [inner for one in fault.context for inner in _deepest(one)]
