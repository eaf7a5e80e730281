"""``netorch run``: one reconciliation for cron. Silent when nothing was wrong; never two at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable

from netorch.app.controller import Controller
from netorch.app.deploying import DeployResult, Options, deploy
from netorch.app.gather import gather_world
from netorch.app.planning import make_plan
from netorch.model.plan import Plan


@dataclass(frozen=True)
class RunResult:
    """What a run found and did: the plan that it started from, and the results of carrying it out."""

    plan: Plan
    deployed: DeployResult

    @property
    def is_quiet(self) -> bool:
        """Everything was as it should be, everywhere."""
        return self.plan.is_empty and all(result.outcome == "unchanged" for result in self.deployed.results)


def reconcile(controller: Controller, targets: Iterable[str], show: Callable[[Plan], None]) -> RunResult:
    """Bring ``targets`` back to what inventory and overlay say. ``show`` is given each plan that is not empty."""
    names = tuple(targets)
    world = gather_world(controller, names)
    plan, failures = make_plan(controller, world, names)
    failures.update({name: error for name, error in world.failures.items() if name in names})
    if not plan.is_empty:
        show(plan)
    options = Options(reason="netorch run")
    return RunResult(plan, deploy(controller, world, plan, failures=failures, options=options, show=show))
