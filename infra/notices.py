"""The table of licences in THIRD_PARTY_NOTICES.md, read from the installed packages.

``--write`` puts it there; without, every direct dependency that the table lacks, or lists with
another licence, is printed and the exit status is 1.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"
BEGIN, END = "<!-- licences: begin -->", "<!-- licences: end -->"

#: What a licence file says, in the order in which it is asked, and the SPDX name of it.
_TEXTS = (
    ("License: BSD-3-Clause", "BSD-3-Clause, parts under other free licences"),
    ("License agreement for matplotlib", "PSF-2.0 (matplotlib's own wording)"),
    ("Apache License", "Apache-2.0"),
    ("Mozilla Public License", "MPL-2.0"),
    ("Permission is hereby granted, free of charge", "MIT"),
    ("either the name", "BSD-3-Clause"),
    ("Redistribution and use in source and binary forms", "BSD-2-Clause"),
)
_SPDX = re.compile(r"(?:MIT|Apache-2\.0|BSD-[23]-Clause)")


def licence_of(name: str) -> str:
    """Return the licence of an installed package as its metadata or its licence file states it.

    Raises:
        importlib.metadata.PackageNotFoundError: the package is not installed.
        LookupError: neither metadata nor file tell; add the wording to ``_TEXTS``.
    """
    distribution = importlib.metadata.distribution(name)
    expression = distribution.metadata.get("License-Expression")
    if expression:
        return str(expression)
    stated = str(distribution.metadata.get("License") or "").strip()
    if _SPDX.fullmatch(stated):
        return stated
    texts = [stated] + [
        Path(str(file.locate())).read_text(encoding="utf-8")
        for file in distribution.files or []
        if ".dist-info/" in str(file) and re.match(r"LICEN[CS]E|COPYING", file.name)
    ]
    for text in texts:
        for wording, licence in _TEXTS:
            if wording in text:
                return licence
    classifiers = distribution.metadata.get_all("Classifier") or []
    if "License :: OSI Approved :: MIT License" in classifiers:
        return "MIT"
    if "License :: OSI Approved :: BSD License" in classifiers:
        return "BSD-3-Clause"
    raise LookupError(f"{name} does not say what licence it has")


def direct_dependencies() -> dict[str, bool]:
    """Return the direct dependencies by name; True for those that only development needs."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run = _names(pyproject["project"]["dependencies"])
    listed = pyproject["dependency-groups"]["dev"] + pyproject["build-system"]["requires"]
    develop = _names(listed) - run
    return dict.fromkeys(sorted(run), False) | dict.fromkeys(sorted(develop), True)


def _names(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(text).name)) for text in requirements}


def table() -> str:
    """Return the table as Markdown, one row per direct dependency."""
    rows = [
        f"| {name} | {licence_of(name)} | {'development' if develop else 'running'} |"
        for name, develop in direct_dependencies().items()
    ]
    return "\n".join(["| package | licence | needed for |", "| --- | --- | --- |", *rows])


def faults() -> list[str]:
    """Return what the notices lack or state otherwise than the installed packages do."""
    between = NOTICES.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = {line.split("|")[1].strip(): line for line in between.splitlines() if line[:2] == "| "}
    found = []
    for name in direct_dependencies():
        if name not in rows:
            found.append(f"THIRD_PARTY_NOTICES.md lacks {name}; 'make notices' adds it")
        elif f"| {licence_of(name)} |" not in rows[name]:
            found.append(f"THIRD_PARTY_NOTICES.md: {name} is {licence_of(name)}; 'make notices'")
    return found


def main() -> None:
    """Write the table, or print what is wrong with it."""
    if "--write" in sys.argv[1:]:
        text = NOTICES.read_text(encoding="utf-8")
        head, begin, rest = text.partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not (begin and end):
            sys.exit(f"{NOTICES.name} lacks the lines {BEGIN} and {END}")
        NOTICES.write_text(f"{head}{begin}\n{table()}\n{end}{tail}", encoding="utf-8")
    elif found := faults():
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
