# SPDX-License-Identifier: Apache-2.0
"""Golden files: the generated texts under review, one folder for each design; `--update-golden` writes them anew.

The tiers of the tests are in `tests.tiers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.tiers import Tiers

collect_ignore_glob = ["*/golden/*"]
Golden = Callable[[Path, Mapping[str, str]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing them")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tiers())


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """The command line says nothing of how long it takes: what it prints is then the same on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitwright.cli.progress.PATIENCE", 3600)
        yield


@pytest.fixture(scope="session", autouse=True)
def objcache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Verilator's runtime is compiled once for all models and workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "objcache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OBJCACHE", f"{sys.executable} -I -S {Path(__file__).with_name('objcache.py')} {folder}")
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """A function that compares files (path -> text) with those below a folder: the same names, the same text."""
    update = bool(request.config.getoption("--update-golden"))

    def compare(folder: Path, files: Mapping[str, str]) -> None:
        if update:
            _write(folder, files)
        kept = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        assert sorted(kept) == sorted(files), "run pytest with --update-golden and review the difference"
        for name, text in files.items():
            assert text == kept[name].read_text(encoding="utf-8"), (
                f"{name}: --update-golden, then review the difference"
            )

    return compare


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for path in list(folder.rglob("*")):
        if path.is_file():
            path.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
