# SPDX-License-Identifier: Apache-2.0
"""Verdicts: other orders of summation are explained wherever they part from the integers, errors are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import bitwright
from bitwright import api
from bitwright.audit import verdict
from bitwright.audit.explain import BOUNDARY, EQUAL, WIDE, Outcome, explain
from bitwright.audit.follow import Case, evaluate, follow
from bitwright.audit.golden import golden
from bitwright.audit.verdict import Audit, Run, Source, compare
from bitwright.ir.layers import Conv
from bitwright.ir.weights import Weights
from bitwright.sim import reference
from tests.audit.nets import ORDERS, Product, Wide, floats, loaded, order, samples, two_convs
from tests.frontend.nets import QONNX, Net

Array = NDArray[Any]
KEYS = ("elements", "equal", "boundary", "wide", "unexplained")


def audit(run: Run, source: Source, *theirs: Array) -> Audit:
    return compare(run, list(theirs), lambda: source)


def case_of(run: Run, source: Source, theirs: Array, sample: int = 0) -> Case:
    return verdict._case(run, golden(run.outputs, [theirs], run.samples), source, sample)


# Networks with every kind of layer, in several orders of summation


def pooled(seed: int) -> onnx.ModelProto:
    net = Wide(4, 10, 10, seed=seed)
    x = net.codes(net.x, 2)
    mean = net.codes(net.add("AveragePool", x, kernel_shape=[3, 3], strides=[1, 2], pads=[1, 0, 1, 0]), 0.7)
    best = net.add("MaxPool", net.conv(mean, 4, 9), kernel_shape=[2, 2], strides=[2, 1])
    net.codes(net.add("GlobalAveragePool", net.codes(best, 2)), 1)
    return net.proto()


def joined(seed: int) -> onnx.ModelProto:
    net = Wide(3, 8, 8, seed=seed)
    x = net.codes(net.x, 2)
    a, b = net.codes(net.conv(x, 3, 4, pads=[1, 1, 1, 1]), 3), net.codes(net.conv(x, 3, 4, pads=[1, 1, 1, 1]), 2.5)
    total, times = net.codes(net.add("Add", a, b), 4), net.codes(net.add("Mul", a, b), 3)
    net.codes(net.conv(net.codes(net.add("Concat", total, times, axis=1), 4), 8, 4), 6)
    return net.proto()


def curved(seed: int) -> onnx.ModelProto:
    net = Wide(3, 8, 8, seed=seed)
    x = net.codes(net.conv(net.codes(net.x, 2), 3, 6), 3)
    net.kind = np.int8
    narrow = net.codes(net.add("LeakyRelu", x, alpha=0.1), 3)
    net.kind = np.int16
    bent, other = net.codes(net.add("Sigmoid", narrow), 1), net.codes(net.add("Tanh", narrow), 1)
    net.codes(net.conv(net.codes(net.add("Mul", bent, other), 1), 6, 4), 2)
    return net.proto()


def bent(seed: int) -> onnx.ModelProto:
    """Functions directly on accumulators: what rises, what turns, and slopes of both signs."""
    net = Wide(3, 8, 8, seed=seed)
    y = net.conv(net.codes(net.x, 2), 3, 6)
    bits = net.rng.uniform(0.001, 0.002, 3)
    silu = net.quant(net.add("Mul", y, net.add("Sigmoid", y)), bits[0], bits=9.0)
    tanh = net.quant(net.add("Tanh", y), bits[1], bits=9.0)
    slopes = net.const(np.reshape([0.25, -0.5, 1.5, 0.1, -2, 0.75], (6, 1, 1)))
    prelu = net.quant(net.add("PRelu", y, slopes), bits[2] / 50, bits=16.0)
    net.codes(net.conv(net.add("Concat", silu, tanh, prelu, axis=1), 18, 4), 2)
    return net.proto()


def normalised(seed: int) -> onnx.ModelProto:
    net = Net(3, 10, 10)
    rng = np.random.default_rng(seed)
    x = net.quant(net.x, 2 / 500000, bits=20.0)
    for inputs, outputs in ((3, 6), (6, 4)):
        w = net.weights(rng.normal(size=(outputs, inputs, 3, 3)) * 0.2, 0.004)
        y = net.add("Conv", x, w, net.const(rng.normal(size=outputs)))
        gamma, beta, mean = (net.const(rng.normal(size=outputs)) for _ in range(3))
        y = net.add("BatchNormalization", y, gamma, beta, mean, net.const(rng.uniform(0.5, 2, outputs)), epsilon=1e-5)
        x = net.quant(net.add("Mul", net.add("Add", y, net.const(0.3)), net.const(0.7)), 3 / 500000, bits=20.0)
    return net.proto()


def dense(seed: int) -> onnx.ModelProto:
    net = Wide(60, seed=seed)
    hidden = net.codes(net.add("Gemm", net.codes(net.x, 2), net.kernel(60, 80), net.bias(80)), 4)
    net.codes(net.add("MatMul", hidden, net.kernel(80, 100)), 4)
    return net.proto()


@lru_cache
def traced(build: Callable[[int], onnx.ModelProto], count: int) -> tuple[Run, Source]:
    proto = build(1)
    shape = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim[1:]]
    return loaded(proto, samples(count, *shape, seed=2))


NETWORKS = [(two_convs, 4), (pooled, 24), (joined, 4), (curved, 4), (bent, 24), (normalised, 2), (dense, 60)]


@pytest.mark.slow
@pytest.mark.parametrize("product", ORDERS)
@pytest.mark.parametrize(("build", "count"), NETWORKS)
def test_float32_parts_from_the_integers_only_beside_a_step(
    build: Callable[[int], onnx.ModelProto], count: int, product: Product
) -> None:
    run, source = traced(build, count)
    nothing = golden(run.outputs, run.outputs, run.samples)
    with order(product):
        replayed = verdict._Replayed(run, source)
        found = []
        for sample in range(count):
            case = verdict._case(run, nothing, source, sample)
            found += follow(case, replayed.codes(sample), certain=True, keep=True).parts
    assert {part.verdict for part in found} == {"boundary"}


@pytest.mark.parametrize("product", ORDERS)
def test_other_orders_of_summation_are_explained(product: Product) -> None:
    proto, x = two_convs(), samples(20, 4, 10, 10)
    run, source = loaded(proto, x)
    found = audit(run, source, floats(proto, x, product).reshape(run.outputs[0].shape))
    elements, equal, boundary, wide, unexplained = (int(found.counts[key] or 0) for key in KEYS)
    assert (elements, wide, unexplained) == (20 * 6 * 64, 0, 0)
    assert equal + boundary == elements and boundary > 3


# Errors


def injected(delta: int) -> tuple[Run, Source, Array]:
    """A run, and its outputs with one code of each sample off by `delta` where no step is near."""
    proto, x = two_convs(kind=np.int8), samples(6, 4, 10, 10, seed=1)
    run, source = loaded(proto, x)
    wrong = run.outputs[0].copy()
    layer = run.graph.by_name[run.graph.outputs[0]]
    for sample in range(len(x)):
        case = case_of(run, source, run.outputs[0], sample)
        values = follow(case, {}, certain=False).values
        reach = case.reaches(values)(layer.name)
        assert reach is not None
        inside = (values[layer.name] > layer.type.lo + 1) & (values[layer.name] < layer.type.hi - 1)
        away = inside & ((reach.up if delta > 0 else reach.down) > 0.05)
        index = np.flatnonzero(away)[sample]
        place = np.unravel_index(index, layer.shape)
        wrong[sample, place[2], place[0], place[1]] += np.float32(delta * float(layer.scale.of(0)))
    return run, source, wrong


@pytest.mark.parametrize("delta", [-2, -1, 1, 2])
def test_a_code_that_is_off_away_from_a_step_is_unexplained(delta: int) -> None:
    run, source, wrong = injected(delta)
    found = audit(run, source, wrong)
    assert found.counts == {
        "elements": wrong.size,
        "equal": wrong.size - 6,
        "boundary": 0,
        "wide": 0,
        "unexplained": 6,
        "max_steps": None,
    }
    assert found.parts == ()


def test_a_wrong_weight_is_unexplained() -> None:
    proto, x = two_convs(kind=np.int8), samples(12, 4, 10, 10)
    run, source = loaded(proto, x)
    first = next(layer for layer in run.graph.layers if isinstance(layer, Conv))
    weights = first.weights.array.copy()
    weights[2, 1, 1, 0] -= 100
    layers = tuple(replace(la, weights=Weights(weights)) if la is first else la for la in run.graph.layers)
    left = reference.run(replace(run.graph, layers=layers), run.codes)
    theirs = api.to_real(run.graph, left)[0]
    found = audit(run, source, theirs).counts
    differ = int((theirs != run.outputs[0]).sum())
    assert differ > 200
    assert found["unexplained"] > 0.9 * differ


@pytest.mark.slow
def test_where_float32_is_exact_nothing_is_a_boundary() -> None:
    net = Net(8)
    w = net.weights(np.random.default_rng(0).integers(-7, 8, (8, 5)) * 0.25, 0.25, 4.0)
    net.quant(net.add("MatMul", net.quant(net.x, 0.5), w), 4.0, bits=5.0)
    x = (np.random.default_rng(1).integers(-40, 41, (200, 8)) / 2).astype(np.float32)
    run, source = loaded(net.proto(), x)
    case = case_of(run, source, run.outputs[0])
    reach = case.reaches(follow(case, {}, certain=False).values)(run.graph.outputs[0])
    assert reach is not None and (reach.up == 0).sum() + (reach.down == 0).sum() == 0
    for delta in (-4, 4):
        theirs = np.clip(run.outputs[0] + np.float32(delta), -64, 60)
        differ = int((theirs != run.outputs[0]).sum())
        assert audit(run, source, theirs).counts["unexplained"] == differ > 800


# Flips of hidden codes


HIDDEN = 349
"""The place of a hidden code, in the middle of its range."""


def hidden_flip(distance: float) -> tuple[Run, Source, Array, str]:
    """A run, and its outputs if a hidden code whose step is at `distance` (in likely errors) is beyond it."""
    more = 1.2
    for _ in range(4):
        run, source = loaded(two_convs(3, np.int8, more), samples(1, 4, 10, 10, seed=4))
        case = case_of(run, source, run.outputs[0])
        values = follow(case, {}, certain=False).values
        layer = next(la for la in run.graph.layers if la.op == "requantise")
        reach = case.reaches(values)(layer.name)
        assert reach is not None
        up, error = (float(array.reshape(-1)[HIDDEN]) for array in (reach.up, reach.error))
        more += (up - distance * error) * float(layer.scale.of(0))
    assert abs(up / error - distance) < 0.05
    ours = values[layer.name].reshape(-1)[[HIDDEN]]
    assert layer.type.lo + 5 < ours < layer.type.hi - 5
    flipped = evaluate(run.graph, values, {layer.name: (np.array([0]), np.array([HIDDEN]), ours + 1)})
    theirs = api.to_real(run.graph, [flipped[name] for name in run.graph.outputs])[0]
    assert (theirs != run.outputs[0]).sum() > 2
    return run, source, theirs, layer.name


def judged(run: Run, source: Source, theirs: Array, trials: int = 256) -> Outcome:
    return explain(case_of(run, source, theirs), None, trials=trials)


def test_a_hidden_code_beside_a_step_is_found() -> None:
    run, source, theirs, name = hidden_flip(0.06)
    differ = theirs.reshape(-1) != run.outputs[0].reshape(-1)
    found = judged(run, source, theirs)
    np.testing.assert_array_equal(found.verdicts, np.where(differ, BOUNDARY, EQUAL))
    (part,) = found.parts
    layer = run.graph.by_name[name]
    assert (part.layer, part.nodes, part.verdict) == (name, layer.source, "boundary")
    assert int(np.ravel_multi_index(part.element, layer.shape)) == HIDDEN
    assert part.theirs == part.ours + 1
    assert part.distance is not None and 0 < part.distance < 1e-3


def test_without_trials_nothing_is_searched() -> None:
    run, source, theirs, _ = hidden_flip(0.06)
    assert judged(run, source, theirs, trials=0).open.sum() == (theirs != run.outputs[0]).sum()


@pytest.mark.parametrize("distance", [0.5, 30])
def test_a_hidden_code_that_is_far_from_its_step_is_not_found(distance: float) -> None:
    run, source, theirs, _ = hidden_flip(distance)
    assert judged(run, source, theirs).open.sum() == (theirs != run.outputs[0]).sum()


def test_what_the_replay_parts_by_is_explained_further_from_a_step() -> None:
    run, source, theirs, name = hidden_flip(0.5)
    case = case_of(run, source, theirs)
    code = follow(case, {}, certain=False).values[name].reshape(-1)[[HIDDEN]] + 1
    found = explain(case, {name: (np.array([HIDDEN]), code)}, trials=0)
    assert not found.open.any() and len(found.parts) == 1
    assert explain(case, {name: (np.array([HIDDEN]), code + 1)}, trials=0).open.any()


def test_what_only_the_certain_bound_allows_is_wide() -> None:
    proto, x = two_convs(5), samples(4, 4, 10, 10, seed=6)
    run, source = loaded(proto, x)
    layer = run.graph.by_name[run.graph.outputs[0]]
    theirs, wanted = run.outputs[0].copy(), 0
    for sample in range(len(x)):
        case = case_of(run, source, run.outputs[0], sample)
        values = follow(case, {}, certain=False).values
        reach = case.reaches(values)(layer.name)
        assert reach is not None
        ours = values[layer.name]
        only = reach.allows(ours + 1, certain=True) & ~reach.allows(ours + 1, certain=False)
        wanted += int(only.sum())
        theirs[sample] += (only[0] * np.float32(float(layer.scale.of(0)))).transpose(2, 0, 1)
    assert wanted > 0
    found = audit(run, source, theirs)
    assert (found.counts["wide"], found.counts["unexplained"]) == (wanted, 0)
    assert [part.verdict for part in found.parts] == ["wide"] * wanted
    assert judged(run, source, theirs).verdicts.max() in (EQUAL, WIDE)


# The host's side


def softmax_net() -> onnx.ModelProto:
    net = Net(2)
    codes = net.qdq(net.qdq(net.x, 0.5, 0, np.int8), 1.0, 0, np.int8)
    net.quantize(net.add("Softmax", codes), np.float32(1 / 255), 0, np.uint8)
    return net.proto()


def test_a_tie_behind_a_softmax_is_a_boundary_and_another_code_is_not() -> None:
    run, source = loaded(softmax_net(), np.array([[1, 1], [4, 1]], np.float32))
    ours = run.outputs[0]
    assert ours[0].tolist() in ([127, 127], [128, 128])
    theirs = ours.copy()
    theirs[0] = 255 - ours[0]
    found = audit(run, source, theirs)
    assert (found.counts["boundary"], found.counts["unexplained"], found.counts["max_steps"]) == (2, 0, 1)
    assert {(part.layer, part.value, part.distance) for part in found.parts} == {
        ("quantizelinear5.quantised", None, None)
    }
    theirs[1, 0] += 1
    assert audit(run, source, theirs).counts["unexplained"] == 1


@pytest.mark.slow
def test_an_input_quantiser_in_pytorch_s_arithmetic_is_a_boundary() -> None:
    """x / s and x * (1 / s) part where x is half way between two codes."""
    net = Wide(50)
    q = net.quantize(net.x, 0.03, 0, np.uint8)
    w = net.kernel(50, 4)
    net.codes(net.add("MatMul", net.dequantize(q, 0.03, 0, np.uint8), w), 3)
    ties = ((np.arange(400) + 0.5) * np.float32(0.03)).astype(np.float32)
    x = np.random.default_rng(0).choice(ties[:250], (6, 50))
    onnx_run, source = loaded(net.proto(), x)
    torch_run, _ = loaded(net.proto(), x, rounding="torch")
    assert (onnx_run.codes[0] != torch_run.codes[0]).sum() > 10
    case = case_of(onnx_run, source, torch_run.outputs[0])
    theirs = {"quantizelinear0": (np.arange(50), torch_run.codes[0][0])}
    parts = follow(case, theirs, certain=False, keep=True).parts
    assert parts and {part.verdict for part in parts} == {"boundary"}


def test_outputs_that_are_places_have_no_steps() -> None:
    net = Net(6)
    net.add("ArgMax", net.qdq(net.qdq(net.x, 0.5, 0, np.int8), 0.7, 0, np.int8), axis=1, keepdims=0)
    run, source = loaded(net.proto(), samples(5, 6))
    found = audit(run, source, (run.outputs[0] + 1) % 6).counts
    assert (found["max_steps"], found["unexplained"]) == (None, 5)


def test_a_place_follows_from_a_code_at_a_boundary() -> None:
    """0.5 / float32(1/3) lies below 1.5 and is 1.5 in float32: there the second code is larger, here both are equal."""
    net = Net(1)
    y = net.add("Gemm", net.qdq(net.x, 0.5, 0, np.int8), net.weights([[0.75], [1.0]], 0.25), transB=1)
    net.add("ArgMax", net.qdq(y, 1 / 3, 0, np.int8), axis=1)
    run, source = loaded(net.proto(), np.array([[0.5], [1.0]], dtype=np.float32))
    assert run.outputs[0].tolist() == [[0], [1]]
    found = audit(run, source, np.array([[1], [1]]))
    assert (found.counts["boundary"], found.counts["unexplained"]) == (1, 0)
    assert [(part.ours, part.theirs) for part in found.parts] == [(1, 2)]


def test_a_difference_in_one_of_several_outputs() -> None:
    net = Net(6)
    q = net.quantize(net.x, 0.5, 0, np.int8)
    other = net.quantize(net.dequantize(q, 0.5, 0, np.int8), 0.7, 0, np.int8)
    run, source = loaded(net.proto(q, other), samples(5, 6))
    theirs = [array.astype(np.int8) for array in run.outputs]
    theirs[1][2, 3] += 1
    found = audit(run, source, *theirs).counts
    assert (found["elements"], found["unexplained"], found["max_steps"]) == (60, 1, 1)


def test_a_pool_of_a_tower_of_sums() -> None:
    """Every sum is looked at once, though 2**24 ways lead down; the pool takes the largest."""
    net = Net(1, 4, 4)
    y = net.quant(net.x, 0.5, bits=4.0)
    for _ in range(24):
        y = net.add("Add", y, y)
    y = net.add("Conv", net.add("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), net.weights(np.ones((2, 1, 1, 1))))
    net.quant(y, 2.0**20)
    x = samples(2, 1, 4, 4)
    graph = bitwright.load(net.proto())
    found = bitwright.verify(graph, x, bitwright.run(graph, x) + 2.0**24)["golden"]
    assert found["unexplained"] == found["elements"] == 16


def test_codes_beyond_the_last_threshold_have_no_step_to_be_near() -> None:
    """Inputs and scales are powers of two: float32 is exact, the last step infinitely far, and nothing is excused."""
    net = Net(4)
    y = net.quant(net.x, 0.5)
    y = net.add("MultiThreshold", y, net.const([[-3.0, -1.0, 2.0]]), domain=QONNX, out_scale=1.0)
    net.quant(net.add("MatMul", y, net.weights(np.eye(4) * 3 - 1)), 2.0)
    x = np.arange(-8, 8, dtype=np.float32).reshape(4, 4)
    graph = bitwright.load(net.proto())
    found = bitwright.verify(graph, x, bitwright.run(graph, x) + 2)["golden"]
    assert found["unexplained"] == found["elements"] == 16
