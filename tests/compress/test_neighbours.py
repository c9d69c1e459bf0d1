# SPDX-License-Identifier: Apache-2.0
"""Networks drawn around each kind of trouble: a file that is right, or a refusal that names the place; never else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from bitwright.compress import float_net
from tests.compress.neighbours.judge import Case, Wrong, judged
from tests.compress.neighbours.kinds import KINDS
from tests.compress.nets import graph, node, normal

FAST, LONG = range(3), range(3, 50)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_of_a_kind(kind: str) -> None:
    for seed in FAST:
        judged(KINDS[kind](seed))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_neighbours_of_a_kind(kind: str) -> None:
    for seed in LONG:
        judged(KINDS[kind](seed))


def statistics(channels: int, seed: int, sign: float = 1) -> dict[str, NDArray[np.float32]]:
    """The constants of a BatchNormalization; every second channel of `sign`."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.5, 1.5, channels) * np.where(np.arange(channels) % 2, sign, 1)
    numbers = {"gain": gain, "shift": rng.normal(size=channels), "mean": rng.normal(size=channels)}
    numbers["variance"] = rng.uniform(0.5, 9, channels)
    return {name: array.astype(np.float32) for name, array in numbers.items()}


NORM = node("BatchNormalization", "r gain shift mean variance", "n")


def behind(function: str, *rest: onnx.NodeProto, sign: float = 1, **attributes: float) -> Case:
    """A dense layer, a function, a batch normalisation, and the rest."""
    nodes = [node("MatMul", "x k", "a"), node(function, "a", "r", **attributes), NORM, *rest]
    constants = {"k": normal(6, 8), "w": normal(8, 3, seed=1), **statistics(8, 2, sign)}
    model = graph(nodes, constants, sample=[6], outputs=["y" if rest else "n"], opset=13)
    return Case(model, [normal(40, 6, seed=3)])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("rest", [[node("MatMul", "n w", "y")], []], ids=["between", "at the end"])
@pytest.mark.parametrize("function", ["LeakyRelu", "Relu", "Sigmoid", "Softplus", "Tanh"])
def test_a_normalisation_behind_a_function(function: str, rest: list[onnx.NodeProto], sign: float) -> None:
    """Limits of each channel's own are standard operators, and a table is one for all channels."""
    judged(behind(function, *rest, sign=sign))


def test_a_leaky_function_whose_ties_are_exact_is_in_float32() -> None:
    """In float64 onnxruntime has no kernel for it."""
    nodes = [node("MatMul", "x k", "a"), node("LeakyRelu", "a", "r", alpha=0.125), node("Concat", "r x", "c", axis=1)]
    model = graph([*nodes, node("MatMul", "c w", "y")], {"k": normal(6, 8), "w": normal(14, 3)}, sample=[6])
    judged(Case(model, [normal(40, 6, seed=3)]))


@pytest.mark.parametrize("op", ["LogSoftmax", "Softmax"])
@pytest.mark.parametrize("between", ["Relu", "Identity", "GlobalAveragePool", "Exp"])
def test_a_soft_maximum_between_layers_is_refused_by_its_name(op: str, between: str) -> None:
    soft = node(op, "a", "s", axis=1)
    soft.name = "mixture"
    nodes = [node("Conv", "x k", "a"), soft, node(between, "s", "m"), node("Flatten", "m", "f")]
    tail = [] if between == "GlobalAveragePool" else [node("MatMul", "f w", "y")]
    outputs = ["y" if tail else "f"]
    constants = {"k": normal(4, 2, 1, 1), "w": normal(36, 3)}
    case = Case(graph([*nodes, *tail], constants, sample=[2, 3, 3], outputs=outputs), [normal(8, 2, 3, 3)])
    with pytest.raises(Wrong) as wrong:
        judged(case)
    assert str(wrong.value) == (
        f"refused: model: node 'mixture' ({op}): is a soft maximum before a layer on integers, computed in float\n"
        "  hint: it has no integer meaning; cut the network before and behind it"
    )


def test_a_pyramid_of_pools_is_quantised_once_before_them() -> None:
    """As in YOLO: each pool is read by the next one and by the join."""
    pools = [node("MaxPool", a, b, kernel_shape=[3, 3], pads=[1, 1, 1, 1]) for a, b in ("rp", "pq", "qs")]
    nodes = [node("Conv", "x k", "a"), node("Relu", "a", "r"), *pools, node("Concat", "r p q s", "c", axis=1)]
    constants = {"k": normal(3, 2, 1, 1), "w": normal(4, 12, 1, 1, seed=1)}
    model = graph([*nodes, node("Conv", "c w", "y")], constants, sample=[2, 6, 6])
    case = Case(model, [normal(20, 2, 6, 6, seed=2)])
    judged(case)
    assert [site.tensor for site in float_net(model).sites] == ["x", "r", "c"]


@pytest.mark.parametrize("function", ["Elu", "Erf", "Selu", "Softplus"])
def test_functions_of_which_onnxruntime_has_no_float64_are_in_float32(function: str) -> None:
    for seed in range(4):
        nodes = [node("MatMul", "x k", "a"), node(function, "a", "f"), node("MatMul", "f w", "y")]
        constants = {"k": normal(6, 8, seed=seed), "w": normal(8, 3, seed=seed + 10)}
        judged(Case(graph(nodes, constants, sample=[6]), [normal(40, 6, seed=seed + 20)]))
