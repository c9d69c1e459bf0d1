# SPDX-License-Identifier: Apache-2.0
"""Results appear complete or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bitwright.cli import main
from bitwright.ir.errors import BitwrightError
from bitwright.output import new_file, new_folder

DIGITS = str(Path(__file__).parents[1] / "bitwright/demo/digits.onnx")
Kind = Callable[[Path], AbstractContextManager[Callable[[Any], None]]]


def test_a_folder_appears_with_its_files(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as write:
        write({"a/b.txt": "text\n", "c.bin": b"\x00\xff"})
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out/a/b.txt").read_bytes() == b"text\n"
    assert (tmp_path / "out/c.bin").read_bytes() == b"\x00\xff"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as write:
        write({"a": "1"})
    assert (tmp_path / "out/a").read_text() == "1"


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_a_failure_leaves_nothing(tmp_path: Path, kind: Kind) -> None:
    def fail() -> None:
        with kind(tmp_path / "out") as write:
            write({"a": "1"} if kind is new_folder else b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_bytes(b"old")
    with new_file(tmp_path / "out.npz") as write:
        write(b"new")
        assert (tmp_path / "out.npz").read_bytes() == b"old"
    assert (tmp_path / "out.npz").read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.npz"]


def test_a_folder_with_files_is_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("1")
    with pytest.raises(BitwrightError) as error, new_folder(tmp_path):
        pytest.fail("the block must not run")
    assert str(error.value) == (
        f"{tmp_path}: the folder exists and is not empty\n  hint: remove it, or choose another folder with -o"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("1")
    with pytest.raises(BitwrightError) as error, new_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert str(error.value) == (f"{tmp_path}/out: exists and is not a folder\n  hint: choose another folder with -o")


def test_a_folder_where_a_file_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as error, new_file(tmp_path):
        pytest.fail("the block must not run")
    assert str(error.value) == f"{tmp_path}: is a folder\n  hint: give the name of a file with -o"


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_a_parent_that_is_absent(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(BitwrightError) as error, kind(tmp_path / "a/b"):
        pytest.fail("the block must not run")
    assert str(error.value) == (
        f"{tmp_path}/a/b: the folder '{tmp_path}/a' does not exist\n  hint: make it first: mkdir -p {tmp_path}/a"
    )


# Links, and what is no file


def content(kind: Kind, text: str) -> Any:
    return {"a": text} if kind is new_folder else text.encode()


@pytest.mark.parametrize("there", [True, False], ids=["to what is there", "to what is not there yet"])
@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_a_link_stays_and_is_written_through(tmp_path: Path, kind: Kind, there: bool) -> None:
    target, link = tmp_path / "far" / "out", tmp_path / "near" / "link"
    target.parent.mkdir()
    link.parent.mkdir()
    link.symlink_to("../far/out")
    if there and kind is new_folder:
        target.mkdir(mode=0o750)
    elif there:
        target.write_bytes(b"old")
    with kind(link) as write:
        write(content(kind, "new"))
    assert link.is_symlink() and not target.is_symlink()
    assert (target / "a" if kind is new_folder else target).read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["far", "near", "out", "link", *(["a"] if kind is new_folder else [])]
    )
    if there and kind is new_folder:
        assert target.stat().st_mode & 0o777 == 0o750


def test_a_folder_that_is_filled_is_the_same_one(tmp_path: Path) -> None:
    """Not another one in its place: it may be where something is mounted, or where the shell is."""
    before = tmp_path.stat().st_ino
    with new_folder(tmp_path) as write:
        write({"b/c": "1", "a": "2"})
    assert tmp_path.stat().st_ino == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_a_link_stays_where_something_fails(tmp_path: Path, kind: Kind) -> None:
    link = tmp_path / "link"
    link.symlink_to("out")

    def fail() -> None:
        with kind(link) as write:
            write(content(kind, "1"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == [link] and link.is_symlink()


def test_a_folder_that_somebody_else_fills_meanwhile_is_theirs(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as error, new_folder(tmp_path / "out") as write:
        write({"a": "ours"})
        (tmp_path / "out").mkdir()
        (tmp_path / "out/b").write_text("theirs")
    assert str(error.value) == (
        f"{tmp_path}/out: the folder exists and is not empty\n  hint: remove it, or choose another folder with -o"
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "b"]


def test_a_failure_leaves_a_folder_empty(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path) as write:
            write({"a": "1"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_links_that_lead_nowhere(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("no/where")
    for link, said in (
        ("a", "is a link that leads back to itself\n  hint: remove it"),
        ("c", f"the folder '{tmp_path}/no' does not exist\n  hint: make it first: mkdir -p {tmp_path}/no"),
    ):
        with pytest.raises(BitwrightError) as error, kind(tmp_path / link):
            pytest.fail("the block must not run")
        assert str(error.value) == f"{tmp_path}/{link}: {said}"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_symlink()) == ["a", "b", "c"]


def test_a_link_to_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(BitwrightError) as error, new_folder(tmp_path / "link"):
        pytest.fail("the block must not run")
    assert str(error.value) == f"{tmp_path}/link: exists and is not a folder\n  hint: choose another folder with -o"
    assert (tmp_path / "link").is_symlink()


def test_a_device_is_written_to_as_it_is() -> None:
    """A terminal of our own: were it replaced, no other one would be lost."""
    master, slave = os.openpty()
    device = Path(os.ttyname(slave))
    with new_file(device) as write:
        write(b"seen")
    assert os.read(master, 100) == b"seen" and device.is_char_device()
    with pytest.raises(BitwrightError) as error, new_folder(device):
        pytest.fail("the block must not run")
    assert str(error.value) == f"{device}: exists and is not a folder\n  hint: choose another folder with -o"
    os.close(master)
    os.close(slave)


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with new_file(pipe) as write:
        write(b"what leaves")
    assert os.read(reader, 100) == b"what leaves"
    os.close(reader)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_a_pipe_that_nobody_reads_is_refused_before_any_work(tmp_path: Path) -> None:
    """It hung: opening such a pipe waits for a reader."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(BitwrightError) as error, new_file(pipe):
        pytest.fail("the block must not run")
    assert str(error.value) == (
        f"{pipe}: is a pipe that nobody reads\n  hint: start its reader first, or choose a file with -o"
    )
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_an_export_to_standard_output(tmp_path: Path) -> None:
    """What `-o /dev/stdout` does when it is a pipe, by another link of that kind: the file, then the table."""
    link = tmp_path / "stdout"
    link.symlink_to("/proc/self/fd/1")
    program = f"from bitwright.cli import main; main(['export', {DIGITS!r}, '-o', {str(link)!r}])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert main(["export", DIGITS, "-o", str(tmp_path / "file.onnx")]) == 0
    assert found.startswith((tmp_path / "file.onnx").read_bytes())
    assert link.is_symlink()
