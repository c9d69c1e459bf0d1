# SPDX-License-Identifier: Apache-2.0
"""Sweeps: the folder is the same whoever worked at it and however often it was stopped; nothing is evaluated twice."""

from __future__ import annotations

import csv
import io
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import bitwright
from bitwright.explore import lock
from bitwright.explore.kept import kept
from bitwright.explore.progress import Progress
from bitwright.explore.record import Failure, Outcome, Record, Score, Task
from bitwright.explore.saved import outcome_of, text_of
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.store import opened
from bitwright.explore.sweep import Stopped, sweep
from bitwright.explore.sweeping import sweep as searched
from bitwright.explore.views import front_in
from bitwright.ir.errors import BitwrightError
from tests.exploring import Fake, contents, fake_sweep, fill_the_disk, refuse
from tests.needs import needs_package
from tests.swept import FLOAT, splits

DESIGN = Design((("weights.conv1", 2), ("rounding", "gptq"), ("share", 0.1), ("po2", True)))
SCORE = Score(value=0.1 + 0.2, low=0.25, high=1 / 3, samples=10, total=20)


@pytest.mark.parametrize(
    "outcome",
    [
        Record(design=DESIGN, figures={"accuracy": 0.1 + 0.2, "lut": 1e30}, score=SCORE, compiled=True),
        Failure(design=DESIGN, kind="died", what="a", where="\n", hint="é", tries=3),
    ],
)
def test_an_outcome_reads_back(outcome: Outcome) -> None:
    assert outcome_of(text_of(outcome)) == outcome


def test_a_sweep_is_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    fakes = [Fake(tmp_path / name, bad={(3, 3, 3): refuse}) for name in "ab"]
    first = sweep(fake_sweep(fakes[0]), tmp_path / "first")
    sweep(fake_sweep(fakes[1]), tmp_path / "second", jobs=2)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert len(first.records) == 63 and len(first.failures) == 1
    front = front_in(first)
    assert front and all(record.compiled and record.score.complete for record in front)
    assert fakes[0].counts == fakes[1].counts
    assert max(fakes[0].counts.values()) == 1


@needs_package("pyarrow")
def test_the_folder_says_it_all(tmp_path: Path) -> None:
    found = sweep(fake_sweep(Fake(tmp_path / "counted"), most=3), tmp_path / "s")
    names = {name.split("/")[0] for name in contents(tmp_path / "s")}
    assert names == {
        "sweep.json",
        "model.onnx",
        "points",
        "asked.json",
        "results.csv",
        "results.parquet",
        "report.html",
        "front.svg",
    }
    settings = loads((tmp_path / "s/sweep.json").read_text())
    assert settings["search"] == {"strategy": "grid", "evaluations": 1000} and settings["network"] == "abc"
    table = list(csv.DictReader(io.StringIO((tmp_path / "s/results.csv").read_text())))
    assert [row["key"] for row in table] == list(found.designs)
    assert {row["key"] for row in table if row["on_front"] == "True"} == {each.design.key for each in front_in(found)}
    assert (tmp_path / "s/lock").read_text() == ""


@needs_package("pyarrow")
def test_tables_have_the_float_network_first_and_a_type_a_column(tmp_path: Path) -> None:
    from pyarrow import parquet

    fake = Fake(tmp_path / "counted", bad={(2, 2, 3): refuse})
    asked = fake_sweep(fake, most=3)
    axes = (*asked.problem.space.axes[:2], Axis("cycles", "cycles", (3, "none")))
    odd = replace(asked, problem=replace(asked.problem, space=Space(axes)), evaluate=Odd(tmp_path / "odd"))
    scored = {"float": {"accuracy": 0.75, "low": 0.5, "high": 1.0, "samples": 4, "total": 4}}
    for name, each in (("a", asked), ("b", odd)):
        sweep(replace(each, settings=scored), tmp_path / name)
        table = parquet.read_table(tmp_path / name / "results.parquet")
        lines = list(csv.DictReader(io.StringIO((tmp_path / name / "results.csv").read_text())))
        rows = table.to_pylist()
        assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows] == lines
        assert (rows[0]["key"], rows[0]["accuracy"], rows[0]["low"]) == ("float", 0.75, 0.5)
    assert rows[2]["axis.cycles"] == "none" and len({row["outcome"] for row in lines}) == 2


class Odd(Fake):
    """Refuses all there is."""

    def __call__(self, task: Task) -> Record:
        refuse()
        raise AssertionError


class Enough(BaseException):
    """Raised in the middle of a sweep."""


def stopped_after(count: int) -> object:
    def progress(at: Progress) -> None:
        if at.fresh + at.looks == count:
            raise Enough

    return progress


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    sweep(fake_sweep(Fake(tmp_path / "counted0")), tmp_path / "whole")
    fake = Fake(tmp_path / "counted")
    for count in (1, 5, 20, 30, 10, 1):
        with pytest.raises(Enough):
            sweep(fake_sweep(fake), tmp_path / "s", resume=True, progress=stopped_after(count))  # type: ignore[arg-type]
    sweep(fake_sweep(fake), tmp_path / "s", resume=True)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
    assert set(fake.counts.values()) == {1}
    before = fake.counts
    sweep(fake_sweep(fake), tmp_path / "s", resume=True)
    assert fake.counts == before


def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    def progress(at: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Stopped) as stop:
        sweep(fake_sweep(Fake(tmp_path / "counted")), tmp_path / "s", progress=progress)
    assert str(stop.value) == (
        f"stopped: 1 outcomes are kept in '{tmp_path / 's'}'\n  hint: the same with --resume goes on from there"
    )


def test_a_longer_search_uses_what_is_there(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted")
    sweep(fake_sweep(fake, evaluations=10), tmp_path / "s")
    found = sweep(fake_sweep(fake, evaluations=64), tmp_path / "s", resume=True)
    assert len(found.records) == 64
    assert set(fake.counts.values()) == {1}
    assert found.settings["search"]["evaluations"] == 64


def test_a_budget_keeps_designs_off_the_front(tmp_path: Path) -> None:
    found = sweep(fake_sweep(Fake(tmp_path / "counted"), budget={"lut": 30, "accuracy": 0.3}), tmp_path / "s")
    front = front_in(found)
    assert front and all(each.figures["lut"] <= 30 and each.figures["accuracy"] >= 0.3 for each in front)


# Refusals


def refusal(*arguments: object, **more: object) -> str:
    with pytest.raises(BitwrightError) as refused:
        sweep(*arguments, **more)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_folder_of_another_sweep_is_refused_by_what_differs(tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    sweep(fake_sweep(fake, most=2), folder)
    before = contents(folder)
    assert refusal(fake_sweep(fake, most=2), folder) == (
        f"{folder}: holds this sweep already, with 2 outcomes\n"
        "  hint: go on with it by --resume, or choose another folder with -o"
    )
    other = replace(fake_sweep(fake, most=2, seed=5), settings={"network": "abd"})
    assert refusal(other, folder, resume=True) == (
        f'{folder}: holds another sweep: its network is "abc", and "abd" here; its seed is 0, and 5 here\n'
        "  hint: ask for the same, or choose another folder with -o"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitwright.explore.settings.__version__", "9")
        newer = refusal(fake_sweep(fake, most=2), folder, resume=True)
    assert newer.startswith(
        f'{folder}: holds another sweep: its bitwright is "{bitwright.__version__}", and "9" here\n'
    )
    assert contents(folder) == before


def test_folders_that_are_not_ours_are_refused_and_left_alone(tmp_path: Path) -> None:
    fake = Fake(tmp_path / "counted")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/model.onnx").write_text("mine")
    (tmp_path / "file").write_text("mine")
    full, file, nowhere = tmp_path / "full", tmp_path / "file", tmp_path / "no" / "s"
    assert refusal(fake_sweep(fake), full) == (
        f"{full}: the folder exists and is not empty\n  hint: remove it, or choose another folder with -o"
    )
    assert refusal(fake_sweep(fake), file) == (
        f"{file}: exists and is not a folder\n  hint: choose another folder with -o"
    )
    assert refusal(fake_sweep(fake), nowhere) == (
        f"{nowhere}: the folder '{tmp_path / 'no'}' does not exist\n  hint: make it first: mkdir -p {tmp_path / 'no'}"
    )
    assert contents(full) == {"model.onnx": b"mine"} and fake.counts == {}


def test_a_second_sweep_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    said: list[str] = []

    def progress(at: Progress) -> None:
        if at.fresh == 1:
            said.append(refusal(fake_sweep(fake), folder, resume=True))
            said.append(kept(folder).holder)

    sweep(fake_sweep(fake, most=3), folder, progress=progress)
    assert said[0].startswith(f"{folder}: a sweep of process {os.getpid()} on ")
    assert said[0].endswith(" is at work in it\n  hint: wait for its end, or stop it: what it finished is kept")
    assert said[1].startswith(f"process {os.getpid()} on ") and kept(folder).holder == ""


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    folder.mkdir()
    (folder / "lock").write_text("process 1 on nowhere")
    (folder / ".partial-model.onnx").write_text("ne")
    (folder / "model.onnx").write_text("net")
    sweep(fake_sweep(fake, most=3), folder)
    whole = contents(folder)
    (folder / ".partial-abc").mkdir()
    (folder / ".partial-abc/record.json").write_text("{")
    (folder / "points/.net.onnx.partial-123").write_text("of a worker")
    (folder / "lock").write_text("process 1 on nowhere")
    sweep(fake_sweep(fake, most=3), folder, resume=True)
    assert contents(folder) == whole
    assert set(fake.counts.values()) == {1}
    assert lock.holder(folder / "lock") == ""


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ('{"version": 9}', "version 9, where this bitwright reads 1"),
        ('{"version": 1, "design": [["a", 1]], "kind": "odd"}', "no kind of failure 'odd'"),
        (text_of(Record(design=DESIGN, figures={}, score=SCORE)), "of another design"),
        (None, "missing"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(text: str | None, why: str, tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    sweep(fake_sweep(fake, most=2), folder)
    record = min((folder / "points").iterdir()) / "record.json"
    record.unlink() if text is None else record.write_text(text)
    assert refusal(fake_sweep(fake, most=2), folder, resume=True) == (
        f"{record}: cannot be read: {why}\n  hint: put it back; or remove '{record.parent}', and resume the sweep"
    )


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refused:
        kept(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: holds no sweep\n  hint: give the folder of `bitwright explore MODEL --data F -o DIR`"
    )


def test_an_asked_task_is_known_by_its_key(tmp_path: Path) -> None:
    with opened(tmp_path / "s", {"axes": []}, {}) as store:
        store.put(Task(DESIGN), Record(design=DESIGN, figures={}, score=SCORE))
        store.put(Task(DESIGN, final=True), Failure(design=DESIGN, kind="time", what="", where="", hint=""))
        store.asked([f"{DESIGN.key}-final", DESIGN.key])
    found = kept(tmp_path / "s")
    assert list(found.outcomes) == [f"{DESIGN.key}-final", DESIGN.key]
    assert found.records == [] and [failure.kind for failure in found.failures] == ["time"]


# Disks


@contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """No more than `room` can be written to a file: the system calls it too large, one way to say that it is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nobody may write in the folder, the superuser neither."""
    folder.chmod(0o555)
    user = os.geteuid()
    if not user:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_a_full_disk_is_one_message_and_costs_nothing(tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    with ExitStack() as stack:
        said = refusal(
            fake_sweep(fake), folder, progress=lambda at: at.fresh == 5 and stack.enter_context(full_disk(200))
        )
    assert said == (
        f"{folder}: cannot be written: File too large\n"
        "  hint: make room, and go on with --resume: what was finished is kept"
    )
    assert len(list((folder / "points").iterdir())) == 5
    assert [path for path in folder.rglob(".partial*")] == []
    sweep(fake_sweep(fake), folder, resume=True)
    assert max(fake.counts.values()) == 2 and sum(fake.counts.values()) == len(fake.counts) + 1, "one was not kept"
    sweep(fake_sweep(Fake(tmp_path / "counted0")), tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_an_error_of_the_machine_is_no_fault_of_a_design(executor: str, tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted", bad={(3, 3, 3): fill_the_disk})
    assert refusal(fake_sweep(fake, most=3), folder, executor=executor) == (
        f"{folder}: a design could not be evaluated: [Errno 28] No space left on device\n"
        "  hint: what was finished is kept: mend that, and go on with --resume"
    )
    assert list((folder / "failed").iterdir()) == [] and len(list((folder / "points").iterdir())) == 7


def test_a_disk_that_is_full_from_the_start_is_one_message(tmp_path: Path) -> None:
    folder, fake = tmp_path / "s", Fake(tmp_path / "counted")
    with full_disk():
        said = refusal(fake_sweep(fake), folder)
    assert said.startswith(f"{folder}: cannot be written: File too large\n")
    sweep(fake_sweep(fake, most=3), folder)


def test_a_folder_that_cannot_be_written_is_found_before_prices_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitwright.explore.sweeping.filled", None)
    arrays = splits(40)
    with TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        with without_rights(base), pytest.raises(BitwrightError) as refused:
            searched(FLOAT, arrays, base / "s", weights=(4,), activations=(4,))
        assert str(refused.value) == (
            f"{base / 's'}: cannot be written: Permission denied\n  hint: choose a writable place with -o"
        )
        assert list(base.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_message() -> None:
    with TemporaryDirectory() as name:
        base, fake = Path(name), Fake(Path(name, "counted"))
        base.chmod(0o755)
        sweep(fake_sweep(fake, most=3), base / "s")
        for folder in (base / "s", base / "t"):
            with without_rights(folder if folder.exists() else base):
                assert refusal(fake_sweep(fake, most=3), folder, resume=True) == (
                    f"{folder}: cannot be written: Permission denied\n  hint: choose a writable place with -o"
                )
            assert kept(base / "s").holder == ""
