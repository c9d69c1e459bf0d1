# SPDX-License-Identifier: Apache-2.0
"""The pages build without a warning, fetch nothing from elsewhere, and what they show in Python runs as written."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import bitwright
from benchmarks.picture import picture
from bitwright.sim import tools
from tests.needs import needs_cxx, needs_package, needs_rtl

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FETCHED = re.compile(
    r"""(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*\shref)=["']?((?:https?:)?//[^"'\s>]+)|url\(["']?(http[^)]+)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages; a broken link, a page outside the navigation or a name that is gone fails."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@needs_package("mkdocs")
def test_every_page_is_there_and_fetches_nothing(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / page.with_suffix(".html").name).is_file()
    for path in (*site.glob("*.html"), *site.rglob("*.css")):
        assert not FETCHED.findall(path.read_text(encoding="utf-8")), path.name


@needs_package("mkdocs")
def test_the_reference_has_every_public_name(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="bitwright\.[\w.]*?(\w+)"', text))
    assert {name for name in bitwright.__all__ if name != "__version__"} <= shown


@needs_cxx
def test_the_examples_in_python_run_as_written() -> None:
    blocks = BLOCK.findall((ROOT / "docs/python.md").read_text())
    assert len(blocks) >= 4
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "clocks per frame" in done.stdout and "logits" in done.stdout


@needs_cxx
@needs_package("onnxruntime")
def test_the_way_from_a_float_network_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    env = tools.environment()
    env["PATH"] = f"{sysconfig.get_path('scripts')}:{env['PATH']}"
    text = (ROOT / "docs/quantising.md").read_text()
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(re.findall("^bitwright", commands, re.MULTILINE)) == 5
    for call in (["bash", "-euo", "pipefail", "-c", commands], [sys.executable, "-c", *BLOCK.findall(text)]):
        done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy 0.98" in done.stdout


@needs_rtl
@needs_package("torch")
@needs_package("sklearn")
def test_below_four_bits_and_a_fifth_of_the_weights_as_written(tmp_path: Path) -> None:
    """The tutorial: its Python in one process, then its recipe, then its commands; with figures like those it tells."""
    text = (ROOT / "docs/compressing.md").read_text()
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "recipe.yaml").write_text(recipe)
    env = tools.environment()
    env["PATH"] = f"{sysconfig.get_path('scripts')}:{env['PATH']}"
    said = ""
    for call in ([sys.executable, "-c", "\n".join(BLOCK.findall(text))], ["bash", "-euo", "pipefail", "-c", commands]):
        done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    rates = dict(re.findall(r"^(float|W4A4|ternary|80 % zeros, W4A4): ([0-9.]+)%$", said, re.MULTILINE))
    assert len(rates) == 4 and all(float(rate) > 96.5 for rate in rates.values()), said
    (accuracy,) = re.findall(r"^quantised network: accuracy ([0-9.]+) %", said, re.MULTILINE)
    assert float(accuracy) > 96
    luts = {name: int(lut) for name, lut in re.findall(r"^(dense|sparse): (\d+) LUT,", said, re.MULTILINE)}
    assert luts["sparse"] < luts["dense"] / 2


def test_the_picture_is_of_the_design_that_the_tour_makes() -> None:
    """After a change on purpose: python benchmarks/picture.py."""
    assert (ROOT / "docs/flow.svg").read_text(encoding="utf-8") == picture()
