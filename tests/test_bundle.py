# SPDX-License-Identifier: Apache-2.0
"""`doctor --bundle`: one file for a bug report, and nothing of the model's weights in it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

import bitwright
from bitwright.cli import bundle
from bitwright.cli.commands import main
from bitwright.ir.errors import BitwrightError

DIGITS = Path(__file__).parents[1] / "bitwright/demo/digits.onnx"


@pytest.fixture
def design(tmp_path: Path) -> Path:
    folder = tmp_path / "design"
    assert main(["compile", str(DIGITS), "-o", str(folder), "--backend", "hls"]) == 0
    return folder


def test_it_holds_versions_plan_reports_and_logs(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (design / "hls/vitis.log").write_text(f"started in {Path.home()}/work\n")
    out = design.parent / "bundle.zip"
    capsys.readouterr()
    assert main(["doctor", "--bundle", str(design), "-o", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    with zipfile.ZipFile(out) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert said["files"] == list(held) == ["versions.json", "plan.json", "report.json", "hls/vitis.log"]
    assert said["bundle"] == str(out)
    versions = json.loads(held["versions.json"])
    assert versions["bitwright"] == bitwright.__version__ and versions["findings"] == said["findings"]
    assert held["plan.json"] == (design / "plan.json").read_bytes()
    assert held["hls/vitis.log"] == b"started in ~/work\n"


def test_it_takes_no_file_but_those_it_knows_and_the_end_of_a_log(design: Path) -> None:
    (design / "long.log").write_bytes(b"x" * bundle.MAX_LOG + b"end")
    (design / "secret").write_text("secret")
    (design / "linked.log").symlink_to(design / "secret")
    held = bundle.contents(design, {})
    assert list(held) == ["versions.json", "plan.json", "report.json", "long.log"]
    assert len(held["long.log"]) == bundle.MAX_LOG and held["long.log"].endswith(b"xend")
    assert bundle.packed(held) == bundle.packed(dict(held))
    with zipfile.ZipFile(io.BytesIO(bundle.packed(held))) as archive:
        assert archive.testzip() is None


def test_a_folder_of_something_else_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(BitwrightError) as refused:
        bundle.contents(tmp_path / "a", {})
    assert str(refused.value) == (
        f"{tmp_path}/a: holds neither plan.json nor report.json nor synth.json\n"
        "  hint: give a folder that `bitwright compile` wrote"
    )
    assert main(["doctor", "--bundle", str(tmp_path / "b"), "-o", str(tmp_path / "b.zip")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
