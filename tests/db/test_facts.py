"""What the server says of itself, and ids by their first digits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from db import outbox
from db.engine import make_engine
from db.facts import alert_ids, landslide_ids, server_facts
from detectors.errors import ConfigurationError


def test_the_server_names_its_versions(engine, empty_database_url) -> None:
    facts = server_facts(engine)
    assert re.match(r"\d+\.\d+", facts.version)
    assert facts.postgis is not None
    assert facts.size_bytes > 1_000_000
    assert abs(facts.clock - datetime.now(UTC)) < timedelta(minutes=1)
    bare = make_engine(empty_database_url)
    assert server_facts(bare).postgis is None
    bare.dispose()


def test_ids_are_found_by_their_first_digits(world, make) -> None:
    alert = make.alert(world.landslide)
    with world.open() as s:
        outbox.enqueue(s, alert, [])
        for find, known in ((landslide_ids, world.landslide.id), (alert_ids, alert.id)):
            for digits in (str(known), str(known)[:6], known.hex[:1].upper(), known.hex):
                assert find(s, digits) == [known]
            other = "1" if str(known)[0] == "0" else "0"
            assert find(s, other) == []


@pytest.mark.parametrize("digits", ["", "  ", "xyz", "0" * 33])
def test_what_is_no_id_is_refused(world, digits) -> None:
    with pytest.raises(ConfigurationError, match="is no id"), world.open() as s:
        landslide_ids(s, digits)
