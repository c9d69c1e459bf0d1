# SPDX-License-Identifier: Apache-2.0
"""The `hls` engine, the streams below it, and the programs that a project carries."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.hls.project import generate
from bitwright.backends.project import Project
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import integer
from bitwright.sim import cpp, tools
from tests.hls.designs import chain_project, mlp
from tests.hls.programs import OURS, TEMPLATES, WARNINGS, compiled, run, write
from tests.needs import needs, needs_cxx
from tests.rtl.graphs import fifo, project, side_by_side

pytestmark = needs_cxx
S8, S4, U4 = integer(8, signed=True), integer(4, signed=True), integer(4, signed=False)


def tiny() -> Project:
    rng = np.random.default_rng(7)
    chain = mlp(rng, [4, 6, 3], S8, S4, U4)
    return chain_project("tiny", chain, chain.frames(rng, 5))


def build(files: dict[str, str]) -> cpp.CppModel:
    return cpp.build(files, inputs=[(4,)], outputs=[(3,)], flags=("-O0",))


def test_a_batch_of_any_length_gives_the_outputs_of_the_model() -> None:
    made = tiny()
    model = build(generate(made))
    for count in (0, 1, 5):
        (found,) = model.run([made.inputs[0].array[:count]])
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, made.outputs[0].array[:count])


def test_ports_may_have_the_names_that_a_driver_would_use(tmp_path: Path) -> None:
    """`inputs`, `frame`, `frames`, `outputs` and the project's own name, as ports of one design."""
    names = ("inputs", "frame", "first", "outputs", "codes", "score")
    graph = side_by_side([fifo(name, 2) for name in names])
    made = project(graph, np.random.default_rng(8), name="frame")
    shapes = [vectors.array.shape[1:] for vectors in made.inputs]
    files = generate(made)
    model = cpp.build(files, inputs=shapes, outputs=shapes, flags=("-O0",))
    for found, given in zip(model.run([w.array for w in made.inputs]), made.inputs, strict=True):
        np.testing.assert_array_equal(found, given.array)
    write(tmp_path, files)
    assert run(compiled(tmp_path, ["tb/frame_tb.cpp", "frame.cpp"], [*OURS, "-w"])).returncode == 0


def test_cpp_that_does_not_compile_is_an_error_with_the_compilers_words() -> None:
    files = generate(tiny())
    with pytest.raises(
        BitwrightError, match=r"^g\+\+: compiling the HLS C\+\+ engine failed with exit code 1:[\s\S]* #error not today"
    ):
        build(files | {"host/driver.cpp": "#error not today\n"})


@pytest.mark.parametrize(
    ("beats", "says"),
    [(5, "stream 'x' is read while it is empty"), (3, "stream 'x' still holds 1 words")],
    ids=["too few words", "too many words"],
)
def test_a_broken_stream_is_named(beats: int, says: str) -> None:
    """A project whose first kernel reads another number of words than arrive."""
    files = generate(tiny())
    params = files["tiny_params.hpp"].replace("Rows = 6, Cols = 4", f"Rows = 6, Cols = {beats}")
    zeros = ", ".join(["{{1}}"] * (6 * beats))
    before, _, after = files["weights/matrixvector0.hpp"].partition("= {\n")
    table = f"{before}= {{\n{zeros}\n}};\n{after.partition('};')[2]}"
    model = build(files | {"tiny_params.hpp": params, "weights/matrixvector0.hpp": table})
    with pytest.raises(BitwrightError) as error:
        model.run([tiny().inputs[0].array])
    assert str(error.value) == (
        f"the generated C++: {says}\n  hint: this is a bug in bitwright: please report it with the model"
    )


@needs(tools.make)
def test_make_csim_passes_and_fails_on_a_wrong_vector(tmp_path: Path) -> None:
    """As a person would run it; then with the first expected code changed, and with a frame too long."""
    files = generate(tiny())
    write(tmp_path, files)
    command = ["make", "csim", "CXXFLAGS=-O0"]

    def csim() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=tools.environment(), capture_output=True, text=True, check=False
        )

    done = csim()
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "tiny: 32 compared, 0 different")
    head, _, tail = files["tb/tiny_vectors.hpp"].rpartition("= {\n    {")
    wrong = str(int(tail.split(",")[0]) + 1)
    path = tmp_path / "tb/tiny_vectors.hpp"
    path.write_text(head + "= {\n    {" + wrong + tail[tail.index(",") :], encoding="utf-8")
    done = csim()
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == "tiny: 32 compared, 1 different"
    assert "frame 0, element 0: got" in done.stdout


def test_a_stream_keeps_order_while_it_grows_and_its_memory_is_used_again(tmp_path: Path) -> None:
    source = """
        #include <hls_stream.h>
        #include <cstdio>
        int main() {
          for (int life = 0; life < 3; ++life) {
            hls::stream<int> s("s");
            int in = 0, out = 0, wrong = 0;
            for (int round = 0; round < 50; ++round) {
              for (int i = 0; i < 3 * round; ++i) s.write(in++);
              for (int i = 0; i < 2 * round; ++i) wrong += s.read() != out++;
            }
            std::printf("%d %d %d\\n", wrong, int(s.size()), in - out);
            while (!s.empty()) wrong += s.read() != out++;
            std::printf("%d\\n", wrong);
          }
        }
    """
    write(tmp_path, {"program.cpp": source})
    done = run(compiled(tmp_path, ["program.cpp"], [*WARNINGS, "-fsanitize=address,undefined", *OURS]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 1225 1225\n0\n" * 3, "")


@pytest.mark.parametrize("folder", ["host", "host/threads"])
def test_nothing_may_be_asked_of_a_constant_stream(folder: str, tmp_path: Path) -> None:
    """The vendor's header has no constant method that our code uses: one that compiles against ours alone is found."""
    asked = ["empty()", "read()", "write(1)"] + ["size()"] * (folder == "host")
    lines = [
        f"template <typename S> auto can_{i}(S &s, int) -> decltype(s.{call}, std::true_type());\n"
        f"template <typename S> std::false_type can_{i}(S &, long);\n"
        f'static_assert(decltype(can_{i}(std::declval<hls::stream<int> &>(), 0))::value, "{call}");\n'
        f'static_assert(!decltype(can_{i}(std::declval<const hls::stream<int> &>(), 0))::value, "const {call}");'
        for i, call in enumerate(asked)
    ]
    write(tmp_path, {"program.cpp": "\n".join(["#include <hls_stream.h>", *lines, "int main() {}", ""])})
    includes = [f"-I{TEMPLATES / folder}", *OURS]
    assert run(compiled(tmp_path, ["program.cpp"], [*WARNINGS, *includes])).returncode == 0
