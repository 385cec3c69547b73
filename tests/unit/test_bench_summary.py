"""The table of all benches says what their files say."""

from __future__ import annotations

from bench import summary


def test_the_table_is_what_the_files_say() -> None:
    told = summary.PAGE.read_text(encoding="utf-8")
    assert told == summary.page(), "run: python -m bench.summary"
    for bench in summary.BENCHES:
        assert (summary.HERE / bench.page).exists()
