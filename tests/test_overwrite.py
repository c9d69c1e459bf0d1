# SPDX-License-Identifier: Apache-2.0
"""`compile --overwrite`: a design that bitwright wrote is replaced, whatever else is in its folder is not."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bitwright.cli import main
from bitwright.folder import FILES, foreign
from bitwright.ir.errors import BitwrightError
from bitwright.output import new_folder

DIGITS = str(Path(__file__).parents[1] / "bitwright/demo/digits.onnx")


def compiled(out: Path, *options: str) -> int:
    return main(["compile", DIGITS, "-o", str(out), "--backend", "hls", *options])


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "d"
    assert compiled(folder) == 0
    return folder


@pytest.fixture
def design(once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(once, tmp_path / "d")


def test_a_design_is_replaced_by_another(design: Path) -> None:
    """In the same folder, with an edited plan from that folder, and with what make and synth left there."""
    inode, before = design.stat().st_ino, json.loads((design / "report.json").read_text())["clock_ns"]
    plan = design / "plan.json"
    plan.write_text(plan.read_text() + "\n")
    (design / "synth.json").write_text("{}")
    (design / "hls/csim.out").write_text("built")
    (design / "report.html").write_text("with counts")
    assert compiled(design, "--overwrite", "--clock-ns", "5", "--plan", str(plan)) == 0
    assert design.stat().st_ino == inode and list(foreign(design)) == []
    assert (before, json.loads((design / "report.json").read_text())["clock_ns"]) == (10.0, 5.0)
    assert not (design / "synth.json").exists() and not (design / "hls/csim.out").exists()
    assert [path.name for path in design.parent.iterdir()] == ["d"]


def test_overwriting_what_is_not_there(tmp_path: Path) -> None:
    assert compiled(tmp_path / "d", "--overwrite") == 0
    (tmp_path / "e").mkdir()
    assert compiled(tmp_path / "e", "--overwrite") == 0
    assert sorted(path.name for path in (tmp_path / "e").iterdir()) == sorted(
        path.name for path in (tmp_path / "d").iterdir()
    )


def note(design: Path) -> None:
    (design / "notes.txt").write_text("mine")


def inside(design: Path) -> None:
    (design / "hls/notes.txt").write_text("mine")


def changed(design: Path) -> None:
    (design / "hls/digits.cpp").write_text("mine")


def edited(design: Path) -> None:
    (design / "plan.json").write_text("{}")


def link(design: Path) -> None:
    (design / "graph.bw").rename(design.parent / "kept")
    (design / "graph.bw").symlink_to("../kept")


def folder(design: Path) -> None:
    (design / "mine").mkdir()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (note, "'notes.txt'"),
        (inside, "'hls/notes.txt'"),
        (changed, "'hls/digits.cpp'"),
        (edited, "'plan.json'"),
        (link, "'graph.bw'"),
        (folder, "'mine'"),
    ],
)
def test_anything_else_is_named_and_kept(
    design: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], named: str
) -> None:
    change(design)
    before = {path: path.is_dir() or path.read_bytes() for path in design.rglob("*")}
    assert compiled(design, "--overwrite") == 2
    assert capsys.readouterr().err == (
        f"error: {design}: holds what is not as bitwright wrote it: {named}\n"
        "  hint: move that elsewhere, or choose another folder with -o\n"
    )
    assert {path: path.is_dir() or path.read_bytes() for path in design.rglob("*")} == before


def test_a_folder_that_is_no_design(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its files.json says."""
    for number in range(7):
        (tmp_path / f"a{number}").write_text("mine")
    (tmp_path / FILES).write_text("[1]")
    assert compiled(tmp_path, "--overwrite") == 2
    assert "not as bitwright wrote it: 'a0', 'a1', 'a2', 'a3', 'a4' and 3 more\n" in capsys.readouterr().err


def test_a_folder_that_cannot_be_emptied_keeps_the_old_design_whole(
    design: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.is_dir() or path.read_bytes() for path in design.rglob("*")}
    locked = design / "hls/kernels"
    locked.chmod(0o555)
    if os.geteuid() == 0:  # whom no mode stops
        monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & mode << 6 == mode << 6))
    try:
        assert compiled(design, "--overwrite", "--clock-ns", "5") == 2
    finally:
        locked.chmod(0o755)
    assert capsys.readouterr().err == (
        f"error: {design}: the folder 'hls/kernels' in it cannot be written, so it would stay\n"
        f"  hint: chmod u+wx '{locked}', or choose another folder with -o\n"
    )
    assert {path: path.is_dir() or path.read_bytes() for path in design.rglob("*")} == before


def test_what_cannot_be_removed_afterwards_is_named(
    design: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new design is whole then, and so is the message."""
    remove = shutil.rmtree

    def stuck(path: Path, ignore_errors: bool = False) -> None:
        if Path(path).name.startswith(".old-"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", stuck)
    assert compiled(design, "--overwrite", "--clock-ns", "5") == 2
    old = design / f".old-{os.getpid()}"
    assert capsys.readouterr().err == (
        f"error: {old}: the design is there, but not all of the old one could be removed: Permission denied\n"
        "  hint: remove that folder\n"
    )
    remove(old)
    assert list(foreign(design)) == [] and json.loads((design / "report.json").read_text())["clock_ns"] == 5.0


def test_without_overwrite_a_design_is_kept(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled(design) == 2
    assert capsys.readouterr().err == (
        f"error: {design}: the folder exists and is not empty\n"
        "  hint: --overwrite replaces a design; or remove it, or choose another folder with -o\n"
    )
    assert main(["compile", DIGITS, "--front", "--overwrite"]) == 2
    assert "error: --overwrite and --front: exclude one another" in capsys.readouterr().err


def test_what_comes_meanwhile_is_kept(design: Path) -> None:
    with pytest.raises(BitwrightError, match=r"'notes\.txt'"), new_folder(design, foreign) as write:
        write({"graph.bw": "new"})
        note(design)
    assert list(foreign(design)) == ["notes.txt"]


def test_a_failure_in_the_middle_brings_the_design_back(design: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.parent.name.startswith(".partial") and self.name == "b":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt), new_folder(design, foreign) as write:
        write({"a": "new", "b": "new"})
    assert list(foreign(design)) == [] and (design / "graph.bw").exists()
