"""Any order of events over real PostGIS: looks appear, steps run or are killed, clocks are moved.

Hypothesis draws the order and shrinks what breaks; the rules are those of ``flows.soundness``.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bench.chaos.killing import Point
from bench.chaos.rounds import in_fork, settle
from bench.chaos.stage import Stage
from bench.chaos.world import STEPS, STOPS


def machine(on: Stage) -> type[RuleBasedStateMachine]:
    """Return the machine over one set of servers."""

    class Watched(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.open = ExitStack()
            self.world = self.open.enter_context(on.world())
            self.stop = 0

        @rule()
        def publish_a_look(self) -> None:
            self.world.reach(STOPS[self.stop])
            self.stop = min(self.stop + 1, len(STOPS) - 1)

        def _step(self, name: str) -> None:
            ran = in_fork(self.world, name)
            assert not ran.killed
            assert ran.error is None, ran.error

        @rule()
        def poll(self) -> None:
            self._step("poll")

        @rule()
        def detect(self) -> None:
            self._step("detect")

        @rule()
        def confirm(self) -> None:
            self._step("confirm")

        @rule()
        def deliver(self) -> None:
            self._step("notify")
            self._step("deliver")

        @rule(
            name=st.sampled_from(STEPS),
            kind=st.sampled_from(["statement", "file"]),
            number=st.integers(1, 120),
        )
        def kill(self, name: str, kind: str, number: int) -> None:
            in_fork(self.world, name, Point(kind, number))

        @rule(days=st.integers(-40, 40))
        def poll_by_a_wrong_clock(self, days: int) -> None:
            right = self.world.clock.now()
            self.world.clock.set(right + timedelta(days=days))
            self._step("poll")
            self.world.clock.set(right)
            self._step("poll")

        @invariant()
        def nothing_is_broken(self) -> None:
            assert self.world.broken() == []

        def teardown(self) -> None:
            try:
                # Restarted, and let alone: everything comes to its end.
                self.world.reach(STOPS[-1])
                assert settle(self.world) == []
                assert self.world.broken(sweep=True) == []
                states = {row["state"] for row in self.world.rows()["looks"]}
                assert states == {"baseline", "processed"}
            finally:
                self.open.close()

    return Watched


def _run(on: Stage, examples: int, steps: int) -> None:
    how = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
        database=None,
    )  # fmt: skip
    run_state_machine_as_test(machine(on), settings=how)


def test_any_order_of_events(on: Stage) -> None:
    _run(on, 1, 7)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_orders_of_events(on: Stage) -> None:
    _run(on, 30, 25)
