"""OpenAPI descriptions of the services, as they are fuzzed.

The page and the feeds have none of their own: theirs are made out of the routes of the very
application, so that a route that is added is fuzzed without anybody thinking of it. OGC's comes
from the service. Names that exist are put into all of them, or nothing behind a 404 would be tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Route

Schema = dict[str, Any]


def known(*names: str) -> Schema:
    """Return a text that is often one of these names."""
    return {"anyOf": [{"type": "string", "enum": list(names)}, {"type": "string", "maxLength": 60}]}


def describe(
    routes: Iterable[BaseRoute],
    paths: Mapping[str, Schema],
    queries: Mapping[str, Mapping[str, Schema]],
    forms: Mapping[str, Mapping[str, Schema]],
) -> Schema:
    """Return the description of a Starlette application.

    Args:
        routes: of the application.
        paths: schema of a parameter in a path, by its name; others are any text.
        queries: parameters behind the question mark, by path.
        forms: fields, by path.
    """
    found: dict[str, Schema] = {}
    for route in routes:
        if not isinstance(route, Route):
            continue
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        inside = [
            {"name": name, "in": "path", "required": True,
             "schema": paths.get(name, {"type": "string", "minLength": 1, "maxLength": 60})}
            for name in re.findall(r"{(\w+)}", path)
        ]  # fmt: skip
        asked = [
            {"name": name, "in": "query", "schema": schema}
            for name, schema in queries.get(path, {}).items()
        ]
        for method in (route.methods or set()) - {"HEAD"}:
            one: Schema = {
                "parameters": inside + asked,
                "responses": {"default": {"description": "whatever it is"}},
            }
            if method == "POST":
                fields = {"type": "object", "properties": dict(forms.get(path, {}))}
                one["requestBody"] = {
                    "content": {"application/x-www-form-urlencoded": {"schema": fields}}
                }
            found.setdefault(path, {})[method.lower()] = one
    return {"openapi": "3.1.0", "info": {"title": "fuzzed", "version": "1"}, "paths": found}


def with_names(description: Schema, names: Mapping[str, Schema]) -> Schema:
    """Return a description whose parameters of these names are often something that exists."""
    for path in description["paths"].values():
        for one in path.values():
            for parameter in one.get("parameters", ()):
                if parameter["name"] in names:
                    parameter["schema"] = names[parameter["name"]]
    return description
