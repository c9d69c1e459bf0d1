# SPDX-License-Identifier: Apache-2.0
"""The name of a design: where it stands, which names are refused, and two designs side by side in one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.backends.hls.project import generate as hls
from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate as verilog
from bitwright.cli.commands import main
from bitwright.compiling import compile_graph
from bitwright.design import Backend, Design
from bitwright.ir.columns import ELLIPSIS, tail
from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.lint import project_sources, verilator_lint
from tests.frontend.nets import Net
from tests.hls.programs import write
from tests.needs import needs_cxx, needs_package, needs_rtl

DIGITS = Path(__file__).parents[1] / "examples/digits/digits.onnx"
PAIR = {"first": 1024, "second": 4096}
"""Two designs of one network: their names, and the clocks per frame."""


@cache
def named(name: str | None) -> Design:
    return compile_graph(bitwright.load(DIGITS), cycles=1000, name=name)


@cache
def paired(name: str) -> Design:
    """A design of `PAIR`; kernels and the file of the weights are called alike in both."""
    net = Net(64)
    weights = net.weights(np.random.default_rng(0).integers(-8, 8, (64, 64)))
    net.quant(net.add("MatMul", net.quant(net.x, 0.5), weights), 0.25)
    return compile_graph(bitwright.load(net.proto()), cycles=PAIR[name], name=name)


def test_a_design_is_called_after_its_file_unless_it_has_a_name() -> None:
    assert named(None).name == "digits"
    assert named("kws_a").name == named("kws_a").report()["name"] == "kws_a"
    assert named("kws_a").digest == named(None).digest


@pytest.mark.parametrize("backend", ["hls", "verilog"])
def test_no_file_of_a_project_keeps_the_name_of_its_model(backend: Backend) -> None:
    """But for the model's file in the first line, and in the description of the core."""
    plain, other = (named(name).files(backend) for name in (None, "kws_a"))
    renamed = {
        path.replace("digits", "kws_a"): _unlaid(text).replace("digits", "kws_a") for path, text in plain.items()
    }
    assert renamed == {path: _unlaid(text) for path, text in other.items()}


def _unlaid(text: str) -> str:
    """`text` without white space, which longer names move about, and the name of the model's file."""
    return "".join(text.split()).replace("digits.onnx", "MODEL")


def test_what_the_name_names() -> None:
    rtl, hls = named("kws_a").files("verilog"), named("kws_a").files("hls")
    assert "\nmodule kws_a_top #(" in rtl["kws_a_top.sv"] or "\nmodule kws_a_top (" in rtl["kws_a_top.sv"]
    assert "\nname: bitwright::kws_a:" in rtl["kws_a.core"]
    assert "set_property name kws_a $core" in rtl["vivado/package_ip.tcl"]
    assert "from kws_a_driver import Accelerator" in rtl["pynq/kws_a_driver.py"]
    assert "bench/test_kws_a.py" in rtl
    assert "\nnamespace kws_a {" in hls["kws_a_params.hpp"]
    assert "\nvoid kws_a_top(" in hls["kws_a.cpp"]
    assert "set_top kws_a_top" in hls["build_prj.tcl"] and "syn.top=kws_a_top" in hls["hls_config.cfg"]
    assert "kws_a.cpp" in hls["Makefile"]


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("", "n"),
        ("Kws", "kws"),
        ("my-net", "my_net"),
        ("a__b", "a_b"),
        ("2nd", "n2nd"),
        ("net_", "net"),
        ("size_t", "size_t_1"),
        ("bw_mvu", "nbw_mvu"),
        ("class", "class_1"),  # C++
        ("always_ff", "always_ff_1"),  # SystemVerilog
        ("main", "main_1"),  # a library
        ("x" * 49, "x" * 48),
        ("a/../../b", "a_b"),
    ],
)
def test_a_name_that_is_no_identifier_is_refused(name: str, legal: str) -> None:
    with pytest.raises(BitwrightError) as error:
        bitwright.compile(bitwright.load(DIGITS), name=name)
    assert str(error.value) == (
        f"--name {name}: is no name that C++, SystemVerilog and file systems all take\n"
        "  hint: lower-case letters, digits and single underscores between them, a letter first, at most 48, no "
        f"keyword or name of a library, neither bw_ in front nor _t behind: for example {legal}"
    )
    assert compile_graph(bitwright.load(DIGITS), name=legal).name == legal


def test_the_command_takes_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(DIGITS), "-o", str(tmp_path / "made"), "--cycles", "1000", "--name", "kws_a"]) == 0
    assert {"kws_a.cpp", "kws_a_top.sv"} <= {path.name for path in (tmp_path / "made").rglob("*")}
    capsys.readouterr()
    assert main(["compile", str(DIGITS), "--front", "--name", "kws_a"]) == 2
    assert capsys.readouterr().err == "error: --name and --front: exclude one another\n  hint: give one of them\n"


def together() -> tuple[dict[str, str], list[str]]:
    """The files of both designs under one top, `both`, and their sources: the library once, then the tops."""
    files: dict[str, str] = {}
    sources: list[str] = []
    for name in PAIR:
        made = paired(name).files("verilog")
        paths = {path: path if path.startswith("modules/") else f"{name}/{path}" for path in made}
        files |= {paths[path]: text for path, text in made.items()}
        sources += [paths[path] for path in project_sources(made)]
    instances = [f'  {name}_top #(.WeightDir("{name}/weights")) u_{name} ();' for name in PAIR]
    head = ["/* verilator lint_off PINMISSING */", "module both;"]
    files["both.sv"] = "\n".join([*head, *instances, "endmodule", ""])
    first_come = [path for path in dict.fromkeys(sources) if path != "modules/bw_pkg.sv"]
    return files, ["modules/bw_pkg.sv", *first_come, "both.sv"]


@needs_rtl
def test_two_designs_elaborate_together_in_verilator() -> None:
    files, sources = together()
    verilator_lint(files, sources, "both")


@needs_package("pyslang")
def test_two_designs_elaborate_together_in_slang() -> None:
    from tests.rtl.slang import slang

    files, sources = together()
    assert slang(files, sources, [f"{name}_top" for name in PAIR]) == ""


@needs_cxx
def test_two_designs_link_in_one_program(tmp_path: Path) -> None:
    """Each with its own test bench, called in turn."""
    for name in PAIR:
        write(tmp_path / name, paired(name).files("hls"))
        includes = ["-Ihost"]
        for stem, flags in ((name, []), (f"tb/{name}_tb", [f"-Dmain={name}_main"])):
            command = [tools.cxx().path, "-std=c++14", "-w", *includes, *flags, "-c", f"{stem}.cpp", "-o", f"{stem}.o"]
            tools.run(command, what="compiling", cwd=tmp_path / name)
    main = "int first_main();\nint second_main();\nint main() { return first_main() + second_main(); }\n"
    (tmp_path / "main.cpp").write_text(main, encoding="utf-8")
    objects = [f"{name}/{stem}.o" for name in PAIR for stem in (name, f"tb/{name}_tb")]
    tools.run([tools.cxx().path, "main.cpp", *objects, "-o", "both"], what="linking", cwd=tmp_path)
    said = tools.run([tmp_path / "both"], what="running both", cwd=tmp_path)
    assert [line for line in said.splitlines() if line.endswith(" 0 different")] == said.splitlines()
    assert [line.partition(":")[0] for line in said.splitlines()] == list(PAIR)


@pytest.mark.parametrize("generate", [hls, verilog])
def test_comments_show_the_end_of_a_long_name_as_tables_do(generate: Callable[[Project], Mapping[str, str]]) -> None:
    made = named("kws_a").project()
    path = f"{'functional/' * 9}{{}};model/{{}}/Conv2D"
    longer = tuple(replace(kernel, layer=path.format(kernel.layer, kernel.layer)) for kernel in made.kernels.kernels)
    files = generate(replace(made, kernels=replace(made.kernels, kernels=longer)))
    assert not [name for name, text in files.items() if "functional/" in text]
    for kernel in longer:
        assert f"// {tail(kernel.layer).replace(ELLIPSIS, '...')}\n" in "".join(files.values())
