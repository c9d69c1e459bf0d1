# SPDX-License-Identifier: Apache-2.0
"""The package as others get it: a wheel with every file, installed where the checkout is not, makes a whole design."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from bitwright.sim import tools
from tests.needs import needs_package

pytestmark = [needs_package("setuptools"), pytest.mark.slow]
ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def environment() -> dict[str, str]:
    """Without what leads Python to the checkout."""
    return {name: value for name, value in tools.environment().items() if not name.startswith("PYTHON")}


def ran(command: list[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as the build leaves folders behind; this Python's setuptools, nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "bitwright", source / "bitwright", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ran([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(source)], folder)
    (made,) = folder.glob("bitwright-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A fresh environment that has the wheel, and sees the packages of this one, but not its bitwright."""
    home = wheel.parent / "venv"
    ran([sys.executable, "-m", "venv", "--without-pip", str(home)], wheel.parent)
    bin = home / ("Scripts" if os.name == "nt" else "bin")
    ran([*PIP, "--python", str(bin / "python"), "install", "--no-deps", "--no-index", str(wheel)], wheel.parent)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return bin


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "bitwright").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {name for name in files if "__pycache__" not in name}


def test_the_installed_package_makes_and_checks_a_design(installed: Path, tmp_path: Path) -> None:
    where = ran([str(installed / "python"), "-c", "import bitwright; print(bitwright.__file__)"], tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)
    digits = Path(where).with_name("demo") / "digits.onnx"
    report = json.loads(ran([str(installed / "bitwright"), "compile", str(digits), "-o", "made", "--json"], tmp_path))
    assert report["layers"]
    assert all((tmp_path / "made" / name).exists() for name in ("hls/Makefile", "rtl/filelist.f", "report.html"))
    proved = json.loads(ran([str(installed / "bitwright"), "check", "made", "--json"], tmp_path))
    assert proved["proved"] == proved["layers"] > 0
