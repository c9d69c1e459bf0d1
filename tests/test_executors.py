# SPDX-License-Identifier: Apache-2.0
"""Executors: every task has one outcome, whatever becomes of the process that is at it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from itertools import islice
from multiprocessing import active_children
from pathlib import Path

import pytest

from bitwright.explore.executors import EXECUTORS, Limits, executor_named
from bitwright.explore.executors.executor import chunks, neighbours
from bitwright.explore.record import Failure, Outcome, Record, Task
from bitwright.ir.errors import BitwrightError
from tests.exploring import Fake, die, fail, fill, hang, record_of, refuse, space
from tests.needs import needs_package

TASKS = [Task(design) for design in space(4).designs()]
KEYS = {tuple(int(bits) for _, bits in task.design.choices): task.key for task in TASKS}
HINT = "remove failed/{} in the folder of the sweep to have it tried again by --resume"


def run(evaluate: Fake, executor: str = "processes", limits: Limits | None = None) -> dict[str, Outcome]:
    """The outcomes by key; each task has one."""
    with EXECUTORS[executor](evaluate, 1, limits or Limits()) as evaluated:
        found = [(task.key, outcome) for task, outcome in evaluated(TASKS)]
    assert sorted(key for key, _ in found) == sorted(task.key for task in TASKS)
    assert active_children() == []
    return dict(found)


def failures(found: dict[str, Outcome], fake: Fake) -> dict[tuple[int, ...], Failure]:
    """Those of the bad designs; all others are as they should be, and were evaluated once."""
    failed = {bits: found[KEYS[bits]] for bits in fake.bad}
    bad = [KEYS[bits] for bits in fake.bad]
    assert {key: each for key, each in found.items() if key not in bad} == {
        task.key: record_of(task) for task in TASKS if task.key not in bad
    }
    assert {key: count for key, count in fake.counts.items() if not key.startswith("bad")} == {
        task.key: 1 for task in TASKS if task.key not in bad
    }
    return {bits: outcome for bits, outcome in failed.items() if isinstance(outcome, Failure)}


def check_errors(failed: Mapping[tuple[int, ...], Failure]) -> None:
    refused, error = failed[3, 3, 3], failed[3, 4, 2]
    assert (refused.kind, refused.what, refused.where) == ("refused", "2 bits cannot hold it", "node 'conv2'")
    assert (error.kind, error.what, error.tries) == ("error", "ZeroDivisionError: division by zero", 1)
    assert error.where.startswith("exploring.py, line ") and error.where.endswith(", in fail")
    assert error.hint == HINT.format(error.design.key)


def test_an_error_is_kept_with_its_design(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted", bad={(3, 3, 3): refuse, (3, 4, 2): fail})
    check_errors(failures(run(fake, "serial"), fake))


def test_a_design_that_kills_its_worker_is_tried_alone_and_given_up(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted", bad={(3, 3, 3): refuse, (3, 4, 2): fail, (3, 4, 4): die})
    failed = failures(run(fake), fake)
    check_errors(failed)
    died = failed[3, 4, 4]
    assert (died.kind, died.what, died.tries) == ("died", "its process ended with exit code 7, 3 times", 3)
    assert fake.counts[f"bad {died.design.key}"] == 3


def test_a_worker_that_somebody_kills_costs_its_task_another_try(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted", seconds=0.02)
    with EXECUTORS["processes"](fake, 2, Limits()) as evaluated:
        found: dict[str, Outcome] = {}
        for task, outcome in evaluated(TASKS):
            found[task.key] = outcome
            if len(found) == 8:
                victims = [child.pid for child in active_children()]
                os.kill(victims[len(found) % len(victims)] or 0, signal.SIGKILL)
    assert found == {task.key: record_of(task) for task in TASKS}


def test_limits_of_time_and_memory_end_a_point_and_no_other(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted", bad={(2, 3, 3): hang, (4, 3, 3): fill})
    failed = failures(run(fake, limits=Limits(seconds=2, bytes=1 << 28)), fake)
    late, full = failed[2, 3, 3], failed[4, 3, 3]
    assert (late.kind, late.what) == ("time", "took more than 2 seconds")
    assert full.kind == "memory" and full.where.endswith(", in fill")
    assert fake.counts[f"bad {full.design.key}"] == 2, "once more, in a new worker"


@needs_package("distributed")
def test_a_cluster_of_dask_loses_nothing_and_keeps_limits(tmp_path: Path) -> None:
    bad = {(3, 3, 3): refuse, (3, 4, 2): fail, (4, 3, 3): fill, (4, 4, 4): hang}
    fake, found = Fake(tmp_path / "counted", seconds=0.05, bad=bad), dict[str, Outcome]()
    with EXECUTORS["dask"](fake, 2, Limits(seconds=3, bytes=1 << 28)) as evaluated:
        for task, outcome in evaluated(TASKS):
            found[task.key] = outcome
            if len(found) == 8:
                os.kill(next(child.pid or 0 for child in active_children()), signal.SIGKILL)
    assert sorted(found) == sorted(task.key for task in TASKS)
    others = {task.key: record_of(task) for task in TASKS if task.key not in [KEYS[bits] for bits in bad]}
    assert {key: each for key, each in found.items() if isinstance(each, Record)} == others
    failed = {bits: each for bits in bad if isinstance(each := found[KEYS[bits]], Failure)}
    check_errors(failed)
    assert [failed[bits].kind for bits in bad] == ["refused", "error", "memory", "time"]
    assert failed[4, 4, 4].what == "took more than 3 seconds"


@pytest.mark.long
@needs_package("distributed")
def test_a_design_that_kills_workers_of_dask_is_given_up(tmp_path: Path) -> None:
    found = run(Fake(tmp_path / "counted", bad={(3, 3, 3): die}), "dask")
    died = found.pop(KEYS[3, 3, 3])
    assert isinstance(died, Failure) and (died.kind, died.what) == ("died", "each of its workers ended")
    assert all(isinstance(outcome, Record) for outcome in found.values())


@needs_package("distributed")
def test_an_executor_is_a_name_or_the_address_of_a_scheduler(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refusal:
        executor_named("proceses")
    assert str(refusal.value) == (
        "executor: no executor 'proceses'\n"
        "  hint: choose serial, processes, dask or the address of a scheduler of dask, as tcp://HOST:8786"
    )
    with (
        pytest.raises(BitwrightError) as refusal,
        executor_named("carrier://pigeon")(Fake(tmp_path / "counted"), 1, Limits()),
    ):
        pass
    assert str(refusal.value).startswith("carrier://pigeon: no scheduler of dask answers: ")
    assert refusal.value.hint == "start one by `dask scheduler`, and workers by `dask worker ADDRESS`"


def test_limits_need_another_process(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refusal:
        run(Fake(tmp_path / "counted"), "serial", Limits(seconds=1))
    assert str(refusal.value) == (
        "explore: the executor 'serial' cannot limit what a point takes\n"
        "  hint: choose the executor 'processes', with one job or more"
    )


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError, match="cannot be sent to other processes: Can't") as refusal:
        run(Fake(tmp_path / "counted", bad={(2, 2, 2): lambda: None}))
    assert refusal.value.hint == "let it be a function of a module that can be imported, or use one job"


class Unborn(Fake):
    """Dies where it is read."""

    def __setstate__(self, state: object) -> None:
        os._exit(3)


def test_workers_that_die_as_they_start_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refusal:
        run(Unborn(tmp_path / "counted"))
    assert str(refusal.value) == (
        "explore with 1 jobs: a worker process died as it started\n"
        "  hint: use one job; a script must call explore below `if __name__ == '__main__':`"
    )
    assert active_children() == []


def test_a_pool_serves_batch_after_batch_and_may_be_left_in_the_middle(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted")
    with EXECUTORS["processes"](fake, 1, Limits()) as evaluated:
        first = evaluated(TASKS)
        list(islice(first, 3))
        first.close()  # type: ignore[attr-defined]
        again = {task.key: outcome for task, outcome in evaluated(TASKS[:9])}
        workers = set(active_children())
        last = {task.key: outcome for task, outcome in evaluated(TASKS[9:])}
        assert set(active_children()) == workers
    assert again | last == {task.key: record_of(task) for task in TASKS}


def test_neighbours_stand_together() -> None:
    assert neighbours(reversed(TASKS)) == TASKS
    assert [len(chunk) for chunk in chunks(TASKS, 2)] == [6, 6, 6, 6, 3]
    assert [len(chunk) for chunk in chunks(TASKS[:2], 2)] == [1, 1]
