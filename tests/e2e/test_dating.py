"""``scarpwatch landslides date``, typed after a poll."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.series import DAYS


@pytest.mark.long
def test_a_landslide_that_was_polled_is_dated(
    served: Any, operate: Any, receiver: Any, tmp_path: Path
) -> None:
    w = served()
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    operator.command("poll")
    (landslide,) = operator.command("landslides", "list")["landslides"]
    dated = operator.command("landslides", "date", landslide["id"][:8])
    assert dated["bracket"]["not_before"].startswith(DAYS[7])
    assert dated["bracket"]["not_after"].startswith(DAYS[8])
    (track,) = dated["tracks"]
    assert (track["looks"], track["left_out"], track["known"]) == (10, 0, False)
    nowhere = str(tmp_path / "none" / "x.png")
    operator.command("landslides", "date", landslide["id"], "--png", nowhere, status=2)
