# SPDX-License-Identifier: Apache-2.0
"""The command `quantize`: what it says of the network it makes, as a table, as JSON, as a page, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console

import bitwright as bw
from bitwright.assessing import assessed
from bitwright.cli import main
from bitwright.cli.signals import Stopped
from bitwright.compress import calibrate, float_net, outputs_of, quantised
from bitwright.compress.fidelity import agreement, fidelity, gives_scores
from bitwright.report.quantised import Finding, QuantiseReport, closing
from bitwright.report.quantised_page import page
from tests.test_page import HOSTILE, Reader

ROOT = Path(__file__).parents[1]
FLOAT = str(ROOT / "examples/digits/digits_float.onnx")
DATA = str(ROOT / "examples/digits/digits_data.npz")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `quantize` on the digits network; gives its exit code, stdout and stderr."""

    def command(*argv: str | Path) -> tuple[int, str, str]:
        code = main(["quantize", FLOAT, "--data", DATA, "-o", str(tmp_path / "q.onnx"), *map(str, argv)])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_the_report_has_layers_tensors_and_how_far_both_networks_agree(run: Run, tmp_path: Path) -> None:
    options = ("--weights", "4", "--activations", "5", "--range", "max", "--exact", "po2", "--rounding", "nearest")
    code, out, _ = run(*options, "--samples", "32", "--report", tmp_path / "about", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["options"] == {
        "weights": 4,
        "activations": 5,
        "per_channel": True,
        "range": "max",
        "rounding": "nearest",
        "correct": "bias",
        "scale": "po2",
        "zero": "auto",
        "exact": "po2",
        "transforms": [],
    }
    assert (found["version"], found["samples"], found["file"]) == (3, 32, str(tmp_path / "q.onnx"))
    with np.load(DATA) as held:
        labels, x = held["y"], held["x"]
    assert found["scored"] == found["compared"] == len(labels)
    scores = bw.run(bw.load(tmp_path / "q.onnx"), x)
    wanted = outputs_of(float_net(FLOAT), [x])[0]
    assert found["accuracy"] == np.mean(scores.argmax(1) == labels)
    assert found["float_accuracy"] == np.mean(wanted.argmax(1) == labels)
    assert (found["agreement_of"], found["agreement"]) == ("scores", np.mean(scores.argmax(1) == wanted.argmax(1)))
    assert found["findings"] == found["warnings"] == []
    first = dict(found["layers"][0])
    assert 15 < first.pop("signal_to_noise") < 40 and first.pop("clipped") == 0
    assert first == {
        "name": "conv1",
        "op": "Conv",
        "weights": "s4n",
        "weight_bits": 4,
        "weight_scale": "po2",
        "per_channel": True,
        "input": "image",
        "activations": "u5",
        "activation_bits": 5,
        "activation_scale": "po2",
    }
    assert found["tensors"][0]["name"] == "image"
    assert {row["type"] for row in found["tensors"]} == {"u5"} and not any(row["zero"] for row in found["tensors"])
    assert json.loads((tmp_path / "about/quantize.json").read_text()) == found
    assert (tmp_path / "about/quantize.html").read_text().startswith("<!DOCTYPE html>")


def test_the_float_networks_figure_comes_first_and_too_little_agreement_is_a_warning(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("--weights", "2", "--activations", "2", "--rounding", "nearest", "--correct", "none")
    lines = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert lines[0] == "float network: accuracy 98.61 % of 360 samples"
    assert lines[1] == "digits_float.onnx: 256 samples"
    assert lines[3].split() == ["layer", "op", "weights", "input", "scale", "signal/noise", "dB", "clipped"]
    assert lines[5].split()[:6] == ["conv1", "Conv", "s2n", "u2", "free", "per"]
    said = " ".join(lines[-5:])
    assert "agreement with the float network: " in said and "(same highest score, 360 samples)" in said
    assert "of the samples only; try more bits (--config for single layers)" in said
    assert lines[-1] == f"written to {tmp_path / 'q.onnx'}"


def test_rewrites_of_the_float_network_are_done_in_order_and_told(run: Run, tmp_path: Path) -> None:
    names = ["fuse", "equalise", "ocs"]
    code, out, _ = run(*(f"--transform={name}" for name in names), "--samples", "32", "--json")
    found = json.loads(out)
    assert (code, found["options"]["transforms"]) == (0, names)
    assert min(row["signal_to_noise"] for row in found["layers"]) > 20
    shapes = [layer.weights.array.shape for layer in bw.load(tmp_path / "q.onnx").layers if layer.op == "conv"]
    assert [shape[0] for shape in shapes] == [9, 17]


def test_what_the_data_cannot_carry_is_a_warning(run: Run) -> None:
    code, out, _ = run("--samples", "8", "--json")
    found = json.loads(out)
    few = "8 calibration samples; give 16 samples or more, as unlike each other as those that the network will meet"
    assert (code, found["warnings"]) == (0, [f"tensor 'image' has {few}"])
    assert [finding["where"] for finding in found["findings"]] == ["tensor 'image'"]
    assert "warning: tensor 'image' has 8 calibration samples" in run("--samples", "8")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--range", "most"),
            "quantize: 'most' cannot be used for range\n  hint: choose {range}",
        ),
        (
            ("--rounding", "up"),
            "quantize: 'up' cannot be used for rounding\n  hint: choose {rounding}",
        ),
        (
            ("--transform", "fuse", "--transform", "unfuse"),
            "quantize: 'unfuse' cannot be used for transforms\n  hint: choose {transforms}",
        ),
        (
            ("--zero", "perhaps"),
            "quantize: 'perhaps' cannot be used for zero\n  hint: choose auto or always or never",
        ),
        (
            ("--exact", "po2", "--scale", "free"),
            "quantize: scale 'free' beside exact 'po2'\n"
            "  hint: leave scale out: equality to the last integer takes scales that are powers of two",
        ),
        (
            ("--samples", "1000"),
            f"{DATA}: holds 256 samples, 1000 were asked for\n  hint: use --samples 256 or less",
        ),
    ],
    ids=["range", "rounding", "transforms", "zero", "exact", "samples"],
)
def test_what_cannot_be_honoured_is_one_message_and_leaves_nothing(
    run: Run, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    names = {
        "transforms": " or ".join(bw.compress.TRANSFORMS),
        "range": " or ".join(bw.compress.RANGES),
        "rounding": " or ".join(bw.compress.ROUNDINGS),
    }
    assert run(*options, "--report", tmp_path / "about") == (2, "", f"error: {message.format(**names)}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_config_chooses_for_single_layers_and_tensors(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "layers.yaml"
    config.write_text("conv1: {weights: 8}\nrelu2: {activations: 6, zero: true}\n")
    code, out, _ = run("--weights", "4", "--activations", "4", "--config", config, "--json")
    found = json.loads(out)
    assert code == 0 and found["options"]["config"] == str(config)
    assert [row["weights"] for row in found["layers"]] == ["s8n", "s4n", "s4n", "s4n"]
    assert {row["name"]: row["bits"] for row in found["tensors"]}["relu2"] == 6
    config.write_text("conv9: {weights: 8}\n")
    code, out, err = run("--config", config)
    assert (code, out) == (2, "") and err.startswith(f"error: {config}: 'conv9'")


def test_a_report_goes_to_a_new_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "about").mkdir()
    (tmp_path / "about/mine.txt").write_text("kept")
    assert run("--report", tmp_path / "about") == (
        2,
        "",
        f"error: {tmp_path / 'about'}: the folder exists and is not empty\n"
        "  hint: remove it, or choose another folder with --report\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["about"]


def test_a_report_and_its_network_are_apart(run: Run, tmp_path: Path) -> None:
    """The network was written, and then the folder of the report refused, because of it."""
    about = tmp_path / "about"
    about.mkdir()
    assert run("--rounding", "nearest", "--samples", "16", "-o", about / "q.onnx", "--report", about) == (
        2,
        "",
        f"error: {about}: is a folder of the report alone, and would hold the network\n"
        "  hint: choose another folder with --report\n",
    )
    assert list(about.iterdir()) == []


@pytest.mark.parametrize("read", ["model", "data", "config"])
def test_no_file_that_is_read_is_replaced(
    read: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float model went, without a word, where it was named as the output too."""
    monkeypatch.chdir(tmp_path)
    files = {"model": Path("m.onnx"), "data": Path("d.npz"), "config": Path("c.yaml")}
    contents = {"model": Path(FLOAT).read_bytes(), "data": Path(DATA).read_bytes(), "config": b"conv1: {weights: 8}\n"}
    for name, path in files.items():
        path.write_bytes(contents[name])
    Path("link").symlink_to(files[read])
    asked = ["quantize", "m.onnx", "--data", "d.npz", "--config", "c.yaml", "--rounding", "nearest", "-o", "link"]
    assert main(asked) == 2
    assert capsys.readouterr().err == (
        "error: link: is read here, and would be replaced\n  hint: give the name of another file with -o\n"
    )
    assert files[read].read_bytes() == contents[read]


def test_who_is_stopped_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object, **options: object) -> bytes:
        raise Stopped(2)

    monkeypatch.setattr(bw.api, "written", stopped)
    assert run("--report", tmp_path / "about") == (130, "", "stopped\n")
    assert list(tmp_path.iterdir()) == []


def report(**changed: Any) -> QuantiseReport:
    """That of the digits network."""
    with np.load(DATA) as held:
        calibration = calibrate(FLOAT, [held["calibration"][:32]])
    state = quantised(calibration, weights=3, activations=3, rounding="nearest")
    made = assessed(calibration, state, None, file="q.onnx", options={"weights": 3})
    return replace(made, **changed)


def test_a_page_escapes_every_name_and_marks_the_worst_layer() -> None:
    made = report()
    layers = tuple(replace(row, name=HOSTILE, input=HOSTILE, op=HOSTILE) for row in made.layers)
    tensors = tuple(replace(row, name=HOSTILE) for row in made.tensors)
    finding = Finding(where=HOSTILE, what="is odd", hint="look")
    text = page(replace(made, model=HOSTILE, file=HOSTILE, layers=layers, tensors=tensors, findings=(finding,)))
    assert "<script" not in text and text.count("bottleneck") == 2  # the style, and one row
    assert Reader(text).open == []
    assert "src=" not in text and "http" not in text


def test_a_page_of_a_file_whose_name_is_no_unicode_shows_its_bytes() -> None:
    text = page(replace(report(), model="digits\udcff.onnx"))
    assert text.encode().count(b"<h1>digits\\udcff.onnx: quantised</h1>") == 1


def test_without_labels_the_agreement_is_that_of_the_calibration_data() -> None:
    made = report()
    assert (made.accuracy, made.float_accuracy, made.scored, made.compared) == (None, None, 0, 32)
    assert "accuracy" not in page(made)
    assert report(agreement=0.5, agreement_of="values").warnings == [
        "agrees with the float network on 50.00 % of what the outputs vary by only;"
        " try more bits (--config for single layers)"
    ]
    assert closing(made)


def test_one_sample_is_one() -> None:
    made = report(samples=1, scored=1, compared=1, float_accuracy=1.0, accuracy=1.0)
    console = Console(record=True, width=120, file=StringIO())
    console.print(closing(made))
    for text in (console.export_text(), page(made)):
        assert "1 sample" in text and "1 samples" not in text


def test_agreement_of_scores_and_of_values() -> None:
    wanted = np.array([[1.0, 2, 3], [3, 2, 1]])
    found = wanted[:, ::-1].copy()
    found[1] = wanted[1]
    assert agreement([wanted], [found], scores=True).share == 0.5
    assert agreement([wanted], [wanted], scores=False).share == 1
    assert agreement([wanted], [np.zeros_like(wanted) + wanted.mean(axis=0)], scores=False).share == 0
    assert agreement([np.ones((2, 3))], [np.ones((2, 3))], scores=False).share == 1
    net = float_net(FLOAT)
    assert gives_scores(net, [np.zeros((5, 10))]) and gives_scores(net, [np.zeros((5, 10, 1, 1))])
    assert not gives_scores(net, [np.zeros((5, 1))]) and not gives_scores(net, [np.zeros((5, 4, 4))])
    assert not gives_scores(net, [np.zeros((5, *net.inputs[0].shape[1:]))])


def matrix(weight: np.ndarray[Any, Any]) -> onnx.ModelProto:
    """x times a matrix that is all there is, without a bias."""
    value = onnx.numpy_helper.from_array(weight.astype(np.float32), "w")
    shapes = (["N", weight.shape[0]], ["N", weight.shape[1]])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in zip("xy", shapes, strict=True))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "product")], "g", [x], [y], [value])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_signal_over_the_noise_and_the_clipped_share_are_those_of_the_definition() -> None:
    """By hand: x of steps of 1 in 0..3 and twice 9, which two bits clip to 3; exact weights."""
    x = np.array([[0, 1], [2, 3], [9, 9], [1, 2]], np.float32)
    net = float_net(matrix(np.array([[1], [0]])))
    state = bw.quantize(net, x, weights=2, activations=2, rounding="nearest", correct="none")
    act = replace(state.acts["x"], scale=np.float32(1).reshape(()))
    (coded,) = state.weights["w"]
    exact = replace(coded, codes=np.array([[1], [0]], np.int32), scale=np.ones_like(coded.scale))
    found = fidelity(net, replace(state, acts={"x": act}, weights={"w": (exact,)}), [x])
    assert found.clipped == {"x": 2 / 8}
    ratio = found.signal_to_noise["y"]
    assert ratio is not None and abs(ratio - 10 * np.log10((0 + 4 + 81 + 1) / 36)) < 1e-9


def test_a_layer_that_got_a_bias_is_compared_under_its_own_name() -> None:
    x = np.random.default_rng(0).normal(1, 1, (64, 4)).astype(np.float32)
    net = float_net(matrix(np.random.default_rng(1).normal(0, 1, (4, 3))))
    calibration = bw.compress.calibrate(net, [x])
    plain = fidelity(net, quantised(calibration, weights=3, activations=3, correct="none"), [x]).signal_to_noise["y"]
    corrected = fidelity(net, quantised(calibration, weights=3, activations=3), [x]).signal_to_noise["y"]
    assert plain is not None and corrected is not None and corrected > plain
