# SPDX-License-Identifier: Apache-2.0
"""The sweep: points name their results, the front is what no other design beats, files say what was found."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bitwright import api, explore
from bitwright.compress import calibrate, float_net, outputs_of
from bitwright.explore import Point, Result, grid, uniform
from bitwright.explore.evaluate import weight_memory
from bitwright.explore.mapped import EXECUTORS
from bitwright.explore.pareto import pareto_front
from bitwright.explore.picture import picture
from bitwright.explore.points import Evaluation
from bitwright.explore.pricing import price_of
from bitwright.explore.report import table
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.devices import device
from bitwright.planning.price import KINDS
from bitwright.planning.target import Target
from bitwright.report.record import Report
from bitwright.report.svg import ticks
from tests import collection
from tests.exported import execute
from tests.needs import needs_cxx, needs_rtl

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
MODEL = DIGITS / "digits_float.onnx"
Files = dict[str, Any]


@pytest.fixture(scope="module")
def data() -> dict[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def sweep(data: Mapping[str, NDArray[Any]]) -> tuple[list[Result], Files, list[tuple[int, int]]]:
    """(results, files, progress) of six points of the digits network."""
    files: Files = {}
    seen: list[tuple[int, int]] = []
    results = explore.sweep(
        MODEL, data, files.update, weights=(2, 4, 8), activations=(3, 8), progress=lambda *step: seen.append(step)
    )
    return results, files, seen


def result(cost: float, accuracy: float, weight_bits: int = 4, *, on_front: bool = False, fits: bool = True) -> Result:
    point = Point(weight_bits=weight_bits, activation_bits=4)
    return Result(
        point=point,
        accuracy=accuracy,
        macs=10,
        weight_memory_bits=20,
        lut=1234,
        ff=2345,
        dsp=1,
        bram=1,
        uram=0,
        cost=cost,
        interval_cycles=100,
        fits=fits,
        model=b"",
        on_front=on_front,
    )


# Points


def test_a_key_is_the_digest_of_the_choice() -> None:
    assert Point(weight_bits=4, activation_bits=3).key == "22ea050f1c4afa0b"
    assert Point(weight_bits=4, activation_bits=3, scale="po2").key != Point(weight_bits=4, activation_bits=3).key


def test_uniform_is_every_pair_in_order() -> None:
    points = list(uniform(range(2, 9), range(2, 9)))
    assert [point.label for point in points] == [f"w{w}a{a}" for w in range(2, 9) for a in range(2, 9)]
    assert len({point.key for point in points}) == 49


def test_a_point_that_cannot_be_quantised_does_not_exist() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Point(weight_bits=0, activation_bits=8)
    assert str(refusal.value) == "quantize: 0 bits cannot be used for weights\n  hint: choose 1 to 16 bits"


# The front, the table, the picture


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [(int(cost), int(score)) for cost, score in rng.integers(0, 12, (30, 2))]

    def beaten(item: tuple[int, int]) -> bool:
        return any(c <= item[0] and s >= item[1] and (c, s) != item for c, s in items)

    front = pareto_front(items, cost=lambda item: item[0], score=lambda item: item[1])
    assert front == sorted({item for item in items if not beaten(item)})


@pytest.mark.parametrize("low, high", [(0, 1), (0.123, 1.0), (396, 1871), (5, 5), (0.986, 0.989), (1, 1e6), (0, 0)])
def test_ticks_are_few_round_and_enclose(low: float, high: float) -> None:
    values = ticks(low, high)
    assert values[0] <= low + 1e-9 and values[-1] >= high - 1e-9
    assert 2 <= len(values) <= 10
    step = values[1] - values[0]
    assert f"{step:.3e}"[0] in "125"
    np.testing.assert_allclose(np.diff(values), step)


def test_the_table_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(table([result(5.5, 0.25), result(9.25, 0.5, 6, on_front=True)]))))
    assert [(row["weight_bits"], row["cost"], row["accuracy"], row["on_front"]) for row in rows] == [
        ("4", "5.5", "0.250000", "False"),
        ("6", "9.25", "0.500000", "True"),
    ]
    assert rows[0]["model"] == f"points/{rows[0]['key']}.onnx"


def test_the_picture_shows_every_point_and_takes_any_title() -> None:
    results = [result(500, 0.9, 2, on_front=True), result(700, 0.8, 3), result(900, 0.95, 8, on_front=True)]
    svg = ElementTree.fromstring(picture(results, 0.96, "<a & b>", "of <some> part"))
    names = {"s": "http://www.w3.org/2000/svg"}
    titles = [element.text for element in svg.iterfind(".//s:circle/s:title", names)]
    assert len(titles) == 3
    said = "1,234 LUTs, 2,345 flip-flops, 1 block RAMs, 1 DSPs, 100 clocks, 20 bits of weights, 10 MACs"
    assert f"w2a4: 90.0 %, {said}" in titles
    texts = [element.text for element in svg.iterfind("s:text", names)]
    assert {"<a & b>", "cost: the sum of all shares (estimates; of <some> part)", "float 96.0 %"} <= set(texts)
    assert {"w2a4", "w8a4", "2 bits", "3 bits", "8 bits"} <= set(texts)
    assert "w3a4" not in texts


def test_the_picture_puts_cheap_left_and_right_answers_up() -> None:
    svg = ElementTree.fromstring(
        picture([result(500, 0.9, on_front=True), result(900, 0.95, on_front=True)], 0.96, "", "")
    )
    marks = [c for c in svg.iterfind("{*}circle") if c.find("{*}title") is not None]
    (x1, y1), (x2, y2) = ((float(c.get("cx", 0)), float(c.get("cy", 0))) for c in marks)
    assert x1 < x2 and y1 > y2


# The price


def compiled(graph: Graph, **asked: Any) -> dict[str, Any]:
    """What the report of `bitwright compile` says of a graph for a target, as a row of a sweep has it."""
    record = api.compile(graph, **asked).record
    used = {name: getattr(record.total, name) for name in KINDS}
    return used | {"interval_cycles": record.interval_cycles, "cost": round(100 * sum(shares(record)), 4)}


def shares(record: Report) -> Iterator[float]:
    """What is taken of each resource of the part, or of the device that stands in for what is not fitted."""
    held = device(record.part if record.part and record.total.share else "xc7z020").budget
    yield from (getattr(record.total, name) / max(1, getattr(held, name)) for name in KINDS)


def row(result: Result) -> dict[str, Any]:
    """The price of one point."""
    return {name: getattr(result, name) for name in (*KINDS, "interval_cycles", "cost")}


@pytest.mark.slow
def test_the_price_is_what_compile_reports(sweep: tuple[list[Result], Files, list[tuple[int, int]]]) -> None:
    for r in sweep[0]:
        assert row(r) == compiled(api.load(r.model)), r.point.label


def model_of(nodes: list[onnx.NodeProto], sizes: list[list[int]], weights: Mapping[str, Any]) -> onnx.ModelProto:
    """A float network from "x" to "y", of these `sizes`."""
    ends = zip("xy", sizes, strict=True)
    entry, end = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *size]) for name, size in ends)
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [entry], [end], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def branches() -> onnx.ModelProto:
    """A residual sum of unequal scales, then two convolutions that are concatenated, then a dense layer."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w1"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "r"], ["s"]),
        helper.make_node("Relu", ["s"], ["t"]),
        helper.make_node("Conv", ["t", "w2"], ["e"]),
        helper.make_node("Conv", ["t", "w3"], ["f"], pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["e", "f"], ["j"], axis=1),
        helper.make_node("Relu", ["j"], ["k"]),
        helper.make_node("Flatten", ["k"], ["l"]),
        helper.make_node("MatMul", ["l", "w4"], ["y"]),
    ]
    sizes = [(4, 1, 3, 3), (4, 4, 3, 3), (4, 4, 1, 1), (2, 4, 3, 3), (6 * 64, 10)]
    return model_of(nodes, [[1, 8, 8], [10]], {f"w{index}": rng.normal(size=size) for index, size in enumerate(sizes)})


def priced(model: onnx.ModelProto, x: list[int], point: Point, **asked: Any) -> tuple[Result, Graph]:
    """The result of one point of a network, and the graph that it is the result of."""
    data = np.random.default_rng(0).normal(size=(64, *x)).astype(np.float32)
    result = Evaluation(calibrate(model, [data]), data, np.zeros(64, np.int64), Target(**asked))(point)
    return result, api.load(result.model)


TARGETS: list[dict[str, Any]] = [
    {},
    {"cycles": 600},
    {"fps": 200_000.0, "part": "xczu3eg"},
    {"part": "xc7s6", "cycles": 5_000},
    {"part": "zcu104"},
    {"part": "vck190", "cycles": 900},
]


@pytest.mark.parametrize("asked", TARGETS, ids=str)
def test_a_network_with_joins_is_priced_as_compile_makes_it(asked: dict[str, Any]) -> None:
    """In ResNet-8 the requantisers of exact sums, in place of short factors and one shift, were half as much again."""
    result, graph = priced(branches(), [1, 8, 8], Point(weight_bits=4, activation_bits=8), **asked)
    assert {"sum", "concat"} <= {layer.op for layer in graph.layers}
    assert len(api.compile(graph).sums) == 1
    assert row(result) == compiled(graph, **asked) and result.fits


def test_a_design_that_does_not_fit_is_priced_as_compile_forces_it_and_is_on_no_front() -> None:
    model, asked = branches(), {"part": "xc7s6", "cycles": 192}
    result, graph = priced(model, [1, 8, 8], Point(weight_bits=8, activation_bits=8), **asked)
    with pytest.raises(BitwrightError, match="192 clocks per frame do not fit xc7s6"):
        api.compile(graph, **asked)
    assert row(result) == compiled(graph, **asked, force=True) and not result.fits


def test_what_does_not_fit_is_on_no_front() -> None:
    marked = grid._with_front([result(5, 0.9, 2, fits=False), result(7, 0.8, 3), result(9, 0.95, 8, fits=False)])
    assert [found.on_front for found in marked] == [False, True, False]
    nothing = grid._with_front([result(5, 0.9, fits=False)])
    assert not nothing[0].on_front and "does not fit" in picture(nothing, 0.96, "", "")


@pytest.mark.slow
@collection.needs_collection
@pytest.mark.parametrize(
    "asked", [{}, {"part": "xczu7ev", "cycles": 20_000}, {"part": "xc7k325t", "fps": 1500.0}], ids=str
)
def test_resnet_8_is_priced_as_compile_makes_it(asked: dict[str, Any]) -> None:
    graph = collection.load("tflite/ic_resnet8_int8")
    found = price_of(graph, Target(**asked))
    used = asdict(found.total) | {"interval_cycles": found.interval, "cost": round(found.cost, 4)}
    assert used == compiled(graph, **asked)


def test_a_table_is_counted_too() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "v"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    floating = model_of(nodes, [[4], [2]], {"w": rng.normal(size=(4, 8)), "v": rng.normal(size=(8, 2))})
    result, graph = priced(floating, [4], Point(weight_bits=4, activation_bits=6))
    assert "table" in [layer.op for layer in graph.layers]
    assert row(result) == compiled(graph)


def test_weight_memory_counts_each_layer_at_its_own_width() -> None:
    graph = api.load(DIGITS / "digits.onnx")
    # 4-bit conv1, 3-bit conv2, ternary dense1 of which 20 outputs carry something, 4-bit dense2
    assert weight_memory(graph) == 72 * 4 + 1152 * 3 + 64 * 20 * 2 + 20 * 10 * 4


# The sweep


def test_the_sweep_keeps_every_point_in_order(
    sweep: tuple[list[Result], Files, list[tuple[int, int]]],
) -> None:
    results, files, seen = sweep
    assert [r.point.label for r in results] == ["w2a3", "w2a8", "w4a3", "w4a8", "w8a3", "w8a8"]
    assert seen == [(done, 6) for done in range(1, 7)]
    assert set(files) == {"results.csv", "front.svg", "samples.npz", *(r.file for r in results)}
    rows = list(csv.DictReader(io.StringIO(str(files["results.csv"]))))
    assert [row["key"] for row in rows] == [r.point.key for r in results]
    assert [r.macs for r in results] == [25112] * 2 + [25408] * 4  # two bits leave four neurons nothing to say
    assert results[0].cost < results[-1].cost


@pytest.mark.slow
def test_every_file_is_the_network_that_was_scored(
    sweep: tuple[list[Result], Files, list[tuple[int, int]]], data: Mapping[str, NDArray[Any]]
) -> None:
    results, files, _ = sweep
    for r in results:
        written = onnx.load_from_string(bytes(files[r.file]))
        scores = execute(written, {written.graph.input[0].name: data["x"]})[1][0]
        assert np.mean(scores.argmax(1) == data["y"]) == r.accuracy, r.point.label


@needs_cxx
@needs_rtl
def test_a_point_verifies_on_every_engine(sweep: tuple[list[Result], Files, list[tuple[int, int]]]) -> None:
    results, files, _ = sweep
    with np.load(io.BytesIO(bytes(files["samples.npz"]))) as data:
        inputs = data["inputs"]
    assert inputs.shape == (64, 1, 8, 8)
    point = next(r for r in results if r.point.label == "w4a3")
    report = api.verify(api.load(files[point.file]), inputs[:8], engines=("reference", "hls", "rtl"))
    assert {name: (row["elements"], row["mismatches"]) for name, row in report["engines"].items()} == dict.fromkeys(
        ("reference", "hls", "rtl"), (80, 0)
    )
    assert report["certificate"] == {"layers": 7, "proved": 7}


def test_eight_bits_are_within_a_hundredth_of_float(
    sweep: tuple[list[Result], Files, list[tuple[int, int]]], data: Mapping[str, NDArray[Any]]
) -> None:
    floating = np.mean(outputs_of(float_net(MODEL), [data["x"]])[0].argmax(1) == data["y"])
    assert sweep[0][-1].accuracy >= floating - 0.01


@pytest.mark.slow
def test_processes_find_what_one_process_finds(
    sweep: tuple[list[Result], Files, list[tuple[int, int]]], data: Mapping[str, NDArray[Any]]
) -> None:
    assert set(EXECUTORS) == {"serial", "processes"}
    files: Files = {}
    assert explore.sweep(MODEL, data, files.update, weights=(2, 4, 8), activations=(3, 8), jobs=2) == sweep[0]
    assert files == sweep[1]


@pytest.mark.slow
def test_a_worker_that_cannot_start_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    """With more data than a pipe holds: Python before 3.11.5 wrote it for ever to the process that had died."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from bitwright.explore import sweep\n"
        f"data = dict(np.load({str(DIGITS / 'digits_data.npz')!r}))\n"
        "data |= {name: np.repeat(data[name], 20, axis=0) for name in 'xy'}\n"
        f"sweep(Path({str(MODEL)!r}), data, lambda files: None, weights=(4,), activations=(3, 4), jobs=2)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    said, _, rest = run.stderr.partition("bitwright.ir.errors.BitwrightError: ")
    assert rest.startswith(
        "explore with 2 jobs: a worker process died\n"
        "  hint: use one job; a script must call explore below `if __name__ == '__main__':`\n"
    ), said  # what Python's own tracker of resources may say of processes that died comes behind it


# What is refused


def test_refusals_come_before_any_work(data: Mapping[str, NDArray[Any]]) -> None:
    def message(call: Callable[[Callable[[Any], None]], object]) -> str:
        written: Files = {}
        with pytest.raises(BitwrightError) as refusal:
            call(written.update)
        assert written == {}
        return str(refusal.value)

    x, y = data["x"], data["y"]
    hint = "give a labelled set: x=images, y=labels"
    assert message(lambda w: explore.sweep(MODEL, {"x": x}, w)) == f"data: has no array 'y'\n  hint: {hint}"
    assert message(lambda w: explore.sweep(MODEL, {"y": y}, w)) == f"data: has no array 'x'\n  hint: {hint}"
    assert message(lambda w: explore.sweep(MODEL, {"x": x, "y": y[1:]}, w)) == (
        "data: 'y' is int64 of shape (359,), where 'x' holds 360 samples\n  hint: labels are integers, one per sample"
    )
    assert message(lambda w: explore.sweep(MODEL, {"x": x, "y": y * 0.5}, w)) == (
        "data: 'y' is float64 of shape (360,), where 'x' holds 360 samples\n  hint: labels are integers, one per sample"
    )
    assert message(lambda w: explore.sweep(MODEL, {"x": x[:, 0], "y": y, "calibration": x}, w)) == (
        "data 'x' for input 'image': shape (360, 8, 8), where the model takes (N, 1, 8, 8)\n"
        "  hint: samples stack on axis 0"
    )
    assert message(lambda w: explore.sweep(MODEL, data, w, part="xc7z02")) == (
        "--part: the part 'xc7z02' is not known\n"
        "  hint: the nearest names are xc7z020, xc7z012s, xc7z100, xc7z045; name a part or its device, or a board"
    )
    assert message(lambda w: explore.sweep(MODEL, data, w, cycles=100, fps=5.0)) == (
        "target: --cycles and --fps are given\n  hint: give one of them"
    )
    assert message(lambda w: explore.sweep(MODEL, data, w, weights=())) == (
        "explore: the space has no points\n  hint: give at least one width of each kind"
    )
    assert message(lambda w: explore.sweep(MODEL, data, w, activations=(1,))) == (
        "quantize: 1 bits cannot be used for activations\n  hint: choose 2 to 16 bits"
    )
