# SPDX-License-Identifier: Apache-2.0
"""Folding alone is searched of a network of any dialect: its integers have one score, each target is compiled."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright import cli
from bitwright.compress.fixed import fixed
from bitwright.explore import check, pick, sweep
from bitwright.explore.axes import OF_TARGET
from bitwright.explore.kept import kept
from bitwright.explore.work import worked, worked_as, works_of
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import to_bytes
from bitwright.planning.price import KINDS
from tests.exploring import contents
from tests.folded import NETWORKS, Arrays, qlinear, tflite
from tests.frontend.nets import Net

Run = Callable[..., tuple[int, str, str]]
DIGITS = Path(__file__).parents[1] / "examples" / "digits" / "digits.onnx"
FOLD = (
    "or let folding alone be searched: give several clocks per frame, frames per second or parts (--cycles 500,2000),"
    " and no bits"
)
BITLESS = "hint: give the float model, or a file of Quant, BipolarQuant, or QuantizeLinear and DequantizeLinear"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `explore` in this process; gives its exit code, stdout and stderr."""

    def command(*argv: str | Path) -> tuple[int, str, str]:
        code = cli.main(["explore", *map(str, argv)])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def saved(arrays: Arrays, file: Path) -> Path:
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize("name", NETWORKS)
def test_every_design_has_the_score_of_the_network_and_the_price_of_compile(name: str, tmp_path: Path) -> None:
    model, arrays = NETWORKS[name](tmp_path)
    found = sweep(model, arrays, tmp_path / "s", cycles=(40, 100, 400), objectives=("lut", "cycles", "ebops"))
    graph = bitwright.load(model)
    right = bitwright.run(graph, arrays["validation"]).reshape(24, -1).argmax(axis=1) == arrays["y_validation"]
    assert [record.design["cycles"] for record in found.records] == [400, 100, 40]
    for record in found.records:
        design = bitwright.compile(graph, cycles=record.design["cycles"])
        assert record.figures["accuracy"] == right.mean() == found.settings["float"]["accuracy"]
        assert record.compiled and record.score.complete and record.score.samples == 24
        assert {kind: record.figures[kind] for kind in KINDS} == asdict(design.price.total)
        assert record.figures["cycles"] == design.kernels.interval
        assert record.figures["weight_bits"] == sum(
            each.weights.array.size * each.weights.type.bits for each in graph.layers if hasattr(each, "weights")
        )
    assert found.explored.layers.keys() == {record.design.key for record in found.explored.front}
    assert all(check(tmp_path / "s", what)["same"] for what in ("float", found.records[0].design.key))


def test_integers_enter_as_they_do_in_verify(run: Run, tmp_path: Path) -> None:
    model, arrays = tflite(tmp_path)
    data = saved(arrays, tmp_path / "d.npz")
    assert run(model, "--data", data, "-o", tmp_path / "s", "--cycles", "40,400")[0] == 0
    code, out, _ = run(tmp_path / "s", "--pick", "cycles<=40, min lut", "-o", tmp_path / "p")
    assert code == 0 and " ".join(out.split()).endswith("p: design, model.tflite, pick.json, samples.npz")
    assert (tmp_path / "p/model.tflite").read_bytes() == model.read_bytes()
    verify = ("verify", tmp_path / "p/model.tflite", "--data", tmp_path / "p/samples.npz", "--engines", "reference")
    assert cli.main([*map(str, verify), "--plan", str(tmp_path / "p/design/plan.json")]) == 0
    saved({**arrays, "validation": arrays["validation"].astype(np.float32)}, data)
    code, _, err = run(model, "--data", data, "-o", tmp_path / "t", "--cycles", "40,400")
    assert code == 2 and err == (
        f"error: {data}: 'validation' is float32, the model's input 'x0' takes int8\n"
        "  hint: convert it yourself, so that you decide how it rounds: x.astype('int8')\n"
    )


def test_a_folder_is_gone_on_with_and_has_the_same_bytes(run: Run, tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    data = saved(arrays, tmp_path / "d.npz")
    asked = ("--cycles", "40,100,400", "--part", "xc7z020,xczu3eg")
    assert run(model, "--data", data, "-o", tmp_path / "s", *asked)[0] == 0
    assert len(kept(tmp_path / "s").records) == 6
    subprocess.run(["cp", "-r", tmp_path / "s", tmp_path / "part"], check=True)
    for place in sorted((tmp_path / "part/points").iterdir())[:4]:
        subprocess.run(["rm", "-r", place], check=True)
    assert run(tmp_path / "part", "--resume")[0] == 0
    found = [contents(tmp_path / name) for name in ("s", "part")]
    made = [{name: each[name] for name in each if "html" not in name and "parquet" not in name} for each in found]
    assert made[0] == made[1]
    code, out, _ = run(tmp_path / "part", "--status", "--json")
    told = json.loads(out)
    assert code == 0 and told["designs"] == 6 and told["front"][0]["figures"]["accuracy"] == told["float"]["value"]


def test_what_a_file_does_not_say_itself_is_kept_with_the_graph(run: Run, tmp_path: Path) -> None:
    net = Net(4)
    net.quant(net.add("MatMul", net.x, net.weights([[1, -2], [3, 0], [2, 2], [-1, 1]], bits=3.0)), 2.0, bits=4.0)
    model = tmp_path / "open.onnx"
    model.write_bytes(net.proto().SerializeToString())
    x = np.arange(80, dtype=np.float32).reshape(20, 4) % 16
    data = saved({"x": x}, tmp_path / "d.npz")
    asked = (model, "--data", data, "-o", tmp_path / "s", "--score-on", "test", "--cycles", "4,8")
    code, _, err = run(*asked)
    assert code == 2 and "--input x=s16.8" in err
    assert run(*asked, "--input", "x=u4")[0] == 0
    found = kept(tmp_path / "s").records[0]
    written = pick(tmp_path / "s", found.design.key, tmp_path / "p")
    assert written["metric"] == "agreement" and written["scores"]["test"]["value"] == 1
    picked = bitwright.load(tmp_path / "p/model.bw")
    assert np.array_equal(*(bitwright.run(each, x) for each in (picked, bitwright.load(model, {"x": "u4"}))))
    again = sweep(bitwright.load(tmp_path / "p/model.bw"), {"x": x}, tmp_path / "t", cycles=[4], score_on="test")
    assert {kind: again.records[0].figures[kind] for kind in KINDS} == {
        kind: kept(tmp_path / "s").records[-1].figures[kind] for kind in KINDS
    }
    assert run(tmp_path / "p/model.bw", "--data", data, "-o", tmp_path / "u", *asked[5:])[0] == 0


def test_bits_of_what_cannot_be_narrower_are_refused_by_name(run: Run, tmp_path: Path) -> None:
    model, arrays = tflite(tmp_path)
    data = saved(arrays, tmp_path / "d.npz")
    (tmp_path / "s.yaml").write_text("network: {weights: 2-8, cycles: [40, 400]}\n")
    for asked in (("--weights", "2-8", "--cycles", "40,400"), ("--space", tmp_path / "s.yaml"), (), ("--cycles", "40")):
        code, _, err = run(model, "--data", data, "-o", tmp_path / "s", *asked)
        assert code == 2 and err == (
            "error: small.tflite: input 'x0': is quantised in a way whose widths cannot be searched: it is of int8\n"
            f"  {BITLESS}; {FOLD}\n"
        )
    assert cli.main(["sensitivity", str(model), "--data", str(data), "-o", str(tmp_path / "v")]) == 2
    assert not (tmp_path / "s").exists()


def test_names_of_the_file_are_those_of_errors(tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    with pytest.raises(BitwrightError) as refusal:
        sweep(model, arrays, tmp_path / "s", weights=(2, 4))
    assert str(refusal.value) == (
        "qlinear.onnx: node 'qlinearconv1' (QLinearConv): the model is quantised already\n"
        f"  hint: give the float model, or compile this one as it is; {FOLD}"
    )


def test_a_graph_has_no_widths_to_search(tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    with pytest.raises(BitwrightError) as refusal:
        sweep(bitwright.load(model), arrays, tmp_path / "s", weights=(2, 4), cycles=(40, 400))
    assert str(refusal.value) == (
        "qlinear.onnx: is a graph of integers, whose widths cannot be searched\n"
        f"  hint: give the file that it was read from; {FOLD}"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--cycles", "40,x"), "--cycles: '40,x' is no number, and no list of numbers\n  hint: for example --cycles"),
        (("--cycles", "40,0"), "axis 'cycles': a target of 0 cannot be met\n  hint: give a positive number"),
        (("--cycles", "40,400", "--rounding", "nearest"), "explore: rounding: the integers of the network stay what"),
        (("--cycles", "40,400", "--codes", "each"), "explore: codes: the integers of the network stay what they are"),
        (("--cycles", "40,400", "--budget", "lut=5"), "budget: no design of the space comes down to lut 5, the least"),
        (
            ("--cycles", "40,400", "--budget", "accuracy=1.5"),
            "budget: no design reaches accuracy 1.5\n  hint: the most",
        ),
        (("--cycles", "40,400", "--fps", "8"), "--cycles and --fps: exclude one another\n  hint: give one of them"),
        (("--cycles", "40,400", "--part", "xc7z020,none"), "part 'none'"),
        (("--cycles", "40,400", "--objectives", "lit"), "explore: no objective 'lit'\n  hint: did you mean 'lut'?"),
    ],
)
def test_what_cannot_be_folded_so_is_one_message(asked: tuple[str, ...], said: str, run: Run, tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    code, _, err = run(model, "--data", saved(arrays, tmp_path / "d.npz"), "-o", tmp_path / "s", *asked)
    assert code == 2 and said in err and err.count("error:") == 1
    assert not (tmp_path / "s").exists()


def test_a_budget_that_one_target_keeps_is_searched(tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    luts = [bitwright.compile(bitwright.load(model), cycles=cycles).price.total.lut for cycles in (40, 400)]
    found = sweep(model, arrays, tmp_path / "s", cycles=(40, 400), budget={"lut": luts[1]})
    assert luts[0] > luts[1] and [each.figures["lut"] for each in found.explored.front] == [luts[1]]
    with pytest.raises(BitwrightError, match=f"comes down to lut {luts[1] - 1}, the least is {luts[1]}"):
        sweep(model, arrays, tmp_path / "t", cycles=(40, 400), budget={"lut": luts[1] - 1})


def test_a_target_that_cannot_be_met_is_kept_as_such(tmp_path: Path) -> None:
    model, arrays = qlinear(tmp_path)
    found = sweep(model, arrays, tmp_path / "s", cycles=(2, 100, 400))
    (failure,) = found.failures
    assert failure.kind == "refused" and len(found.records) == 2
    assert len(found.explored.front) == 2, "the clocks speak for the faster one"
    with pytest.raises(BitwrightError, match="design"):
        pick(tmp_path / "s", failure.design.key, tmp_path / "p")


def test_the_same_without_hardware_as_a_start_whose_widths_stay(tmp_path: Path) -> None:
    """Of a network that can be both, bits and energy are the same: by the codes that it came with, or by its graph."""
    from bitwright.compress.started import started

    start = started(DIGITS)
    graph = start.state().graph()
    assert worked_as(graph) == pytest.approx(worked(works_of(graph, start.state()), start.state()))
    assert fixed(graph).content == to_bytes(graph)


def test_what_can_be_narrower_is_folded_alone_where_nothing_else_is_said(tmp_path: Path) -> None:
    with np.load(DIGITS.parent / "digits_data.npz") as file:
        arrays = {"x": file["x"][:40], "y": file["y"][:40]}
    space = {"network": {"cycles": [600, 3000]}}
    found = sweep(DIGITS, arrays, tmp_path / "s", space=space, score_on="test", objectives=("lut", "cycles"))
    assert found.settings["folded"] and (tmp_path / "s/model.onnx").read_bytes() == DIGITS.read_bytes()
    assert {axis["option"] for axis in found.settings["axes"]} <= set(OF_TARGET)
    alike = sweep(DIGITS, arrays, tmp_path / "t", cycles=(600, 3000), score_on="test", objectives=("lut", "cycles"))
    assert alike.settings == found.settings and alike.records == found.records
    both = sweep(DIGITS, arrays, tmp_path / "u", weights=(4,), activations=(4,), cycles=(600, 3000), score_on="test")
    assert not both.settings["folded"] and len(both.settings["axes"]) == 3
