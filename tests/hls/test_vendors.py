# SPDX-License-Identifier: Apache-2.0
"""Vendors of HLS tools as rows: the same code in each spelling; a Bambu project runs on stand-in headers."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from bitwright.backends.hls.project import generate
from bitwright.backends.hls.vendors import BAMBU, VENDORS, VITIS
from bitwright.cli.commands import main
from bitwright.cli.options import HlsVendor
from bitwright.ir.errors import BitwrightError
from tests.hls.programs import write
from tests.hls.test_golden import small
from tests.needs import needs, program

TAKEN = {
    r"#pragma HLS pipeline II=\d+",
    r"#pragma HLS unroll",
    r"#pragma HLS inline",
    r"#pragma HLS dataflow",
    r"#pragma HLS interface port=\w+ mode=axis",
}
"""The pragmas that Bambu is known to take."""


def is_cpp(path: str) -> bool:
    return path.endswith((".cpp", ".hpp", ".h")) and not path.startswith("host/")


def test_the_option_names_the_rows() -> None:
    assert get_args(get_args(get_args(HlsVendor)[0])[0]) == tuple(VENDORS)


def test_vitis_is_what_the_library_is_written_in() -> None:
    text = "  #pragma HLS UNROLL\n#include <ap_axi_sdata.h>\n#ifdef __SYNTHESIS__\n"
    assert VITIS.spelled(text) == text
    assert BAMBU.spelled(text) == '  #pragma HLS unroll\n#include "ap_axi_sdata.h"\n#ifdef __BAMBU__\n'


def test_bambu_gets_only_pragmas_that_it_takes_and_the_same_code() -> None:
    vitis, bambu = generate(small()), generate(replace(small(), hls_vendor="bambu"))
    lines = [line.strip() for path in filter(is_cpp, bambu) for line in bambu[path].splitlines()]
    pragmas = [line for line in lines if "#pragma HLS" in line]
    for known in TAKEN:
        assert any(re.fullmatch(known, line) for line in pragmas), known
    assert not [line for line in pragmas if not any(re.fullmatch(known, line) for known in TAKEN)]
    for path in filter(is_cpp, vitis):
        code = [line for line in vitis[path].splitlines() if "#pragma HLS" not in line]
        ours = [line for line in bambu[path].splitlines() if "#pragma HLS" not in line]
        assert [BAMBU.spelled(line) for line in code] == ours, path
    assert set(vitis) - set(bambu) == {"build_prj.tcl", "vendor_check.tcl", "hls_config.cfg"}
    assert set(bambu) - set(vitis) == {"kernels/ap_axi_sdata.h"}


@needs(lambda: program("g++"))
def test_a_bambu_project_runs_on_stand_in_headers(tmp_path: Path) -> None:
    """On `ap_int.h` and `hls_stream.h` of `host/`, which Bambu has of its own; AXI transfers are the project's."""
    files = generate(replace(small(), hls_vendor="bambu"))
    write(tmp_path, {path: text for path, text in files.items() if path != "host/ap_axi_sdata.h"})
    for target in ("csim", "threads"):
        done = subprocess.run(["make", target], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"\b0 different", done.stdout) if target == "csim" else True


def test_compile_writes_the_project_of_a_vendor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(Path(__file__).parents[2] / "bitwright/demo/digits.onnx")
    out = tmp_path / "out"
    assert main(["compile", model, "-o", str(out), "--backend", "hls", "--hls-vendor", "bambu"]) == 0
    assert "\nbambu:\n" in (out / "hls/Makefile").read_text(encoding="utf-8")
    assert not (out / "hls/build_prj.tcl").exists()


def test_an_unknown_vendor() -> None:
    with pytest.raises(BitwrightError) as error:
        generate(replace(small(), hls_vendor="catapult"))
    assert str(error.value) == "--hls-vendor: there is no vendor 'catapult'\n  hint: known vendors: vitis, bambu"
