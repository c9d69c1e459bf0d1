# SPDX-License-Identifier: Apache-2.0
"""The text of three small designs under review, one with every common kernel; and what holds for all such text."""

from __future__ import annotations

import configparser
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.backends.hls.project import generate
from bitwright.backends.project import Project
from bitwright.compiling import compile_graph
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.types import BIPOLAR, TERNARY, integer
from tests.conftest import Golden
from tests.hls import networks
from tests.hls.designs import Chain, chain_project, lookup, multiply_shift, thresholds
from tests.hls.networks import residual
from tests.hls.programs import write
from tests.layers.nets import Net
from tests.needs import needs, program

FOLDER = Path(__file__).parent / "golden"
CARRIED = ("kernels/", "host/ap", "host/hls", "host/bw", "host/threads/", "tb/bw")
"""Hand-written files that a project takes along: reviewed where they live."""

FAKE_VENDOR = """
proc unknown {name args} { puts [concat $name $args] }
rename exit quit
proc exit {} { puts exit }
source ../build_prj.tcl
puts [file tail [pwd]]
"""


def small() -> Project:
    """A convolution with thresholds, a pool, a wider stream and a dense layer that ends in ties to even and a table."""
    rng = np.random.default_rng(5)
    u2, u4, s4 = integer(2, signed=False), integer(4, signed=False), integer(4, signed=True)
    steps = np.array([[-3, 2, 8], [0, 1, 5], [-9, -9, 40], [2, 4, 4]])
    field: dict[str, Any] = {"kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1)}
    names = "conv_window conv relu pool_window pool dense_width dense quant table"
    chain = Chain.start(1, u4, 16, names.split()).window(4, 4, 1, pad_value=3, **field)
    chain.matrix(rng.integers(-1, 2, (4, 9)), TERNARY, pe=2)
    chain.requantise(thresholds(steps, u2, falling=[0, 0, 1, 0]), u2, 4)
    chain.window(4, 4, 2, **field | {"kernel": (2, 2), "strides": (2, 2), "pads": (0, 0, 0, 0)}).pool(4).width(4)
    chain.matrix(np.where(rng.integers(0, 2, (3, 16)) == 0, -1, 1), BIPOLAR, memory="block")
    ties = multiply_shift([3, 3, -2], [5, -7, 0], 3, chain.tail.type, s4, window=[2, 0, 1], odd=1)
    chain.requantise(ties, s4, 3)
    chain.requantise(lookup(np.arange(16) % 5 - 2, -8), integer(3, signed=True), 3)
    return chain_project("small", chain, chain.frames(rng, 3))


def signs() -> Project:
    """Two dense layers of bits: XNOR, thresholds, additions of either sign."""
    rng = np.random.default_rng(6)
    chain = Chain.start(4, BIPOLAR, 4, ["hidden", "sign", "wider", "classes"])
    chain.matrix(np.where(rng.integers(0, 2, (8, 16)) == 0, -1, 1), BIPOLAR, pe=2)
    chain.requantise(thresholds(rng.integers(-3, 4, (8, 1)), BIPOLAR), BIPOLAR, 8).width(4)
    chain.matrix(rng.integers(-1, 2, (3, 8)), TERNARY, pe=3, memory="block")
    return chain_project("signs", chain, chain.frames(rng, 3))


def branches() -> Project:
    """Two convolutions beside a wire, with the depths of its streams."""
    lanes = {"conv0": LayerPlan(pe=1, simd=2), "conv2": LayerPlan(pe=1, simd=4), "conv4": LayerPlan(pe=1, simd=4)}
    made = compile_graph(residual(), plan=Plan(lanes)).project()
    return replace(made, name="branches", version="0.1.0", model="branches.onnx", digest="5f3a9c1e0000")


def pruned() -> Project:
    """A dense layer whose rows skip zeros and change places, and one that takes them so and skips blocks."""
    rng, net = np.random.default_rng(7), Net()
    u4 = integer(4, signed=False)
    first = net.dense(
        net.input("x0", (8,), u4), rng.integers(1, 4, (6, 8)) * (np.arange(8) % 3 <= np.arange(6)[:, None] % 3)
    )
    second = net.dense(net.act(first, u4, rng), np.kron(np.eye(2, 6, dtype=int), rng.integers(1, 99, (2, 1))))
    lanes = {
        first.name: LayerPlan(pe=2, simd=2, zeros="skip-rows"),
        second.name: LayerPlan(pe=2, simd=1, zeros="skip-blocks", style="dsp", memory="block"),
    }
    made = compile_graph(net.graph(), plan=Plan(lanes)).project()
    return replace(made, name="pruned", version="0.1.0", model="pruned.onnx", digest="5f3a9c1e0000")


def deep() -> Project:
    """A ring, a frame buffer and a FIFO in UltraRAM."""
    made = compile_graph(networks.deep(), cycles=15_360, part="xczu7ev").project()
    return replace(made, name="deep", version="0.1.0", model="deep.onnx", digest="5f3a9c1e0000")


def test_the_text_of_a_small_design(golden: Golden) -> None:
    """All that is not written by hand."""
    files = generate(small())
    golden(FOLDER / "small", {path: text for path, text in files.items() if not path.startswith(CARRIED)})


@pytest.mark.parametrize("made", [signs, branches, pruned, deep])
def test_the_text_of_a_top(made: Callable[[], Project], golden: Golden) -> None:
    name = made.__name__
    files = generate(made())
    golden(FOLDER / name, {path: files[path] for path in (f"{name}.cpp", f"{name}_params.hpp")})


def test_the_text_of_a_schedule(golden: Golden) -> None:
    files = generate(pruned())
    golden(FOLDER / "schedules", {path: text for path, text in files.items() if path.startswith("weights/dense")})


def test_generated_text_is_clean() -> None:
    """Within 120 columns, no tabs outside make, no trailing blanks, one final newline; line 1 names design and tool."""
    made = small()
    origin = f"Generated by bitwright 0.1.0 from {made.model}, design {made.digest}."
    line = f"{origin} Do not edit: change the model or the plan."
    for path, text in generate(made).items():
        lines = text.split("\n")
        assert max(map(len, lines)) <= 120, path
        assert all(row == row.rstrip() for row in lines), path
        assert "\t" not in text or path == "Makefile", path
        assert lines[-1] == "" != lines[-2], path
        assert path.startswith(CARRIED) or line in lines[0], path


def test_only_the_kernels_in_use_are_carried() -> None:
    paths = {path for path in generate(small()) if path.startswith("kernels/")}
    used = ("axis", "mac", "mvu", "pool", "product", "requant", "rom", "stream", "width", "window")
    assert paths == {f"kernels/bw_{name}.hpp" for name in used}


def test_names_from_a_model_stay_in_their_comment() -> None:
    """A layer's name cannot end its line, continue it, or open another token."""
    made = small()
    kernels = replace(made.kernels, kernels=tuple(replace(k, layer='x\n#error "\\') for k in made.kernels.kernels))
    text = generate(replace(made, kernels=kernels, model="a??/\nb.onnx"))
    assert not [row for file in text.values() for row in file.split("\n") if row.startswith("#error")]
    assert text["small_params.hpp"].startswith("// Generated by bitwright 0.1.0 from a__/_b.onnx, design")


@needs(lambda: program("tclsh"))
def test_the_tcl_script_gives_the_vendor_these_commands(tmp_path: Path) -> None:
    """Run by tclsh from another folder than its own, with the vendor's commands replaced by printing ones."""
    files = generate(small())
    write(tmp_path / "project", {"build_prj.tcl": files["build_prj.tcl"], "below/nothing": ""})
    below = tmp_path / "project/below"
    done = subprocess.run(["tclsh"], input=FAKE_VENDOR, cwd=below, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "open_project -reset small_prj",
        "set_top small_top",
        "add_files small.cpp -cflags {-std=c++14 -DBW_FRAMES=16}",
        "add_files -tb tb/small_tb.cpp -cflags {-std=c++14 -DBW_FRAMES=16}",
        "open_solution -reset solution1 -flow_target vivado",
        "set_part xc7z020clg400-1",
        "create_clock -period 5 -name default",
        "csim_design",
        "csynth_design",
        "exit",
        "project",
    ]
    for path in ("small.cpp", "tb/small_tb.cpp"):
        assert path in files


def test_the_vendor_configuration_names_files_of_the_project() -> None:
    files = generate(small())
    parser = configparser.ConfigParser()
    parser.read_string("[main]\n" + files["hls_config.cfg"])
    assert dict(parser["main"]) == {"part": "xc7z020clg400-1"}
    assert dict(parser["hls"]) == {
        "flow_target": "vivado",
        "clock": "5ns",
        "syn.top": "small_top",
        "syn.file": "small.cpp",
        "syn.cflags": "-std=c++14 -DBW_FRAMES=16",
        "tb.file": "tb/small_tb.cpp",
        "tb.cflags": "-std=c++14 -DBW_FRAMES=16",
    }
    assert {parser["hls"]["syn.file"], parser["hls"]["tb.file"]} <= set(files)


def test_vendor_scripts_leave_our_integers_out() -> None:
    files = generate(small())
    for path in ("build_prj.tcl", "hls_config.cfg"):
        assert "host" not in files[path], "our integers must stay off the vendor's include path"
