# SPDX-License-Identifier: Apache-2.0
"""Results appear complete or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bitwright.cli.output import new_file, new_folder
from bitwright.ir.errors import BitwrightError

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
