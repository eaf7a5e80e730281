"""The controller itself: work on many devices, and what it derives once."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any, Callable

from netorch.api import Intent, Overlay, OverlayEntry, Plugin
from netorch.errors import InternalError, Unreachable
from tests.unit.agents import Agent, controller_of


class AtOnce(Executor):
    """Does everything when it is handed in, in the caller's own thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands every error on
            done.set_exception(error)
        return done


def test_work_goes_to_whatever_executor_there_is() -> None:
    """Any ``concurrent.futures`` executor serves, asked for no more workers than there are devices."""
    wanted: list[int] = []

    def executors(workers: int) -> Executor:
        wanted.append(workers)
        return AtOnce()

    controller = replace(controller_of(lambda name: Agent()), executors=executors)
    results, failures = controller.each(("a", "b", "c"), lambda name: name.upper())
    assert (results, failures, wanted) == ({"a": "A", "b": "B", "c": "C"}, {}, [3])


def test_one_failure_stops_nobody() -> None:
    """A device's error, or netorch's own defect, is that device's alone."""

    def work(name: str) -> str:
        if name == "dead":
            raise Unreachable("nothing answers", where=name)
        if name == "defect":
            raise KeyError("x")
        return name

    results, failures = controller_of(lambda name: Agent()).each(("dead", "well", "defect"), work)
    assert results == {"well": "well"}
    assert isinstance(failures["dead"], Unreachable)
    assert isinstance(failures["defect"], InternalError)


def test_an_intent_is_derived_once_for_each_overlay() -> None:
    """Plugins amend it anew only for an overlay that is another one."""
    seen: list[int] = []

    def amend(intent: Intent, overlay: Overlay) -> Intent:
        seen.append(len(overlay.entries))
        return intent

    controller = controller_of(lambda name: Agent(), Plugin("counting", "counts", amend=amend))
    entry = OverlayEntry("drain/provider/meadow@pop1", 1, "drain", ("sw1.pop1",), "ann", 1.0, data={"name": "meadow"})
    for _ in range(3):
        assert controller.intent(Overlay()) is controller.intent(Overlay())
        assert controller.intent(Overlay((entry,))) is controller.intent(Overlay((replace(entry),)))
    assert seen == [0, 1]
    controller.intent(Overlay((replace(entry, version=2),)))
    assert seen == [0, 1, 1]


def test_a_copy_derives_its_own() -> None:
    """What was derived from one inventory is never taken for another's."""
    controller = controller_of(lambda name: Agent())
    assert len(controller.intent(Overlay()).devices) == 2
    inventory = replace(controller.inventory, pops=())
    assert replace(controller, inventory=inventory).intent(Overlay()).devices == ()
