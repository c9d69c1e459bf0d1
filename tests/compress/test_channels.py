# SPDX-License-Identifier: Apache-2.0
"""Channels that are taken out: what is left computes what the whole does when nothing reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of
from bitwright.compress.groups import traced
from bitwright.compress.prune.channels import Kept, without
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw

Array = NDArray[Any]


def unread(net: FloatNet, kept: Kept) -> FloatNet:
    """The network in which every layer has zeros for the channels that do not stay."""
    changed: dict[str, Array] = {}
    for group, held in zip(net.groups, kept, strict=True):
        for part in (part for part in group.parts if part.role == "reads"):
            array = np.moveaxis(changed.get(part.constant, net.constants[part.constant]).copy(), part.axis, 0)
            array[~np.append(held, True)[part.channels]] = 0
            changed[part.constant] = np.moveaxis(array, 0, part.axis)
    return net.replace(**changed)


def drawn(net: FloatNet, seed: int, share: float = 0.6) -> Kept:
    """Some of the channels of each group that is free, one at least of whatever a tensor is made of."""
    random = np.random.default_rng(seed)
    kept = np.concatenate([(random.random(group.size) < share) | group.fixed for group in net.groups])
    for span in traced(net.model).spans():
        kept[random.choice(span)] |= not kept[span].any()
    return np.split(kept, np.cumsum([group.size for group in net.groups])[:-1])


def check(net: FloatNet, kept: Kept, x: Array) -> FloatNet:
    """The law; and the file of what is left is read as what is left."""
    found = without(net, kept)
    lost = sum(int((~held).sum()) for held in kept)
    assert (
        sum(array.size for array in found.constants.values()) < sum(a.size for a in net.constants.values()) or not lost
    )
    for one, other in zip(outputs_of(found, [x]), outputs_of(unread(net, kept), [x]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert float_net(found.onnx()) == found
    return found


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_of_random_networks_computes_what_they_do_with_the_others_unread(seed: int) -> None:
    draw = Draw(seed)
    net = float_net(draw.model())
    check(net, drawn(net, seed), draw.samples()[:3])


def conv(inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return node("Conv", inputs, output, **attributes)


SQUARE = [2, 3, 3]
PAIR = [1, 1, 1, 1]
CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], list[int]]] = {
    "concat, flatten": (
        [conv("x a", "h"), conv("x b", "g"), node("Concat", "h g", "c", axis=1), node("Flatten", "c", "f"),
         node("MatMul", "f w", "y")],
        {"a": normal(3, 2, 1, 1), "b": normal(4, 2, 1, 1), "w": normal(7 * 9, 5)}, SQUARE),
    "grouped": (
        [conv("x a", "h"), conv("h b c", "g", group=2), conv("g d", "y")],
        {"a": normal(6, 2, 1, 1), "b": normal(8, 3, 1, 1), "c": normal(8), "d": normal(2, 8, 1, 1)}, SQUARE),
    "shuffle": (
        [conv("x a", "h"), conv("h b", "g", group=2), node("Reshape", "g five", "r"),
         node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t four", "u"),
         conv("u d e", "i", group=8, pads=PAIR), conv("i c", "y", group=2)],
        {"a": normal(4, 2, 1, 1), "b": normal(8, 2, 1, 1), "five": np.array([0, 2, 4, 3, 3]),
         "four": np.array([0, -1, 3, 3]), "c": normal(2, 4, 1, 1), "d": normal(8, 1, 3, 3), "e": normal(8)}, SQUARE),
    "multiplier": (
        [conv("x a", "h"), conv("h b c", "g", group=3), node("Relu", "g", "r"), conv("r d", "y")],
        {"a": normal(3, 2, 1, 1), "b": normal(6, 1, 2, 2), "c": normal(6), "d": normal(2, 6, 1, 1)}, SQUARE),
    "transposed": (
        [node("ConvTranspose", "x a b", "h"), node("ConvTranspose", "h c d", "g", group=5),
         node("ConvTranspose", "g e", "y")],
        {"a": normal(2, 5, 2, 2), "b": normal(5), "c": normal(5, 1, 2, 2), "d": normal(5), "e": normal(5, 3, 1, 1)},
        SQUARE),
    "grouped transposed": (
        [conv("x a", "h"), node("ConvTranspose", "h c d", "g", group=2), conv("g e", "y")],
        {"a": normal(4, 2, 1, 1), "c": normal(4, 3, 2, 2), "d": normal(6), "e": normal(3, 6, 1, 1)}, SQUARE),
    "channels last": (
        [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "t a", "h"), node("Add", "h b", "s"),
         node("Mul", "s s", "q"), node("ReduceMean", "q", "m", axes=[1], keepdims=0), node("MatMul", "m w", "y")],
        {"a": normal(1, 2, 4), "b": normal(4), "w": normal(4, 3)}, [2, 5]),
    "gate": (
        [conv("x a b", "h"), node("GlobalAveragePool", "h", "p"), conv("p c", "e"), node("Relu", "e", "q"),
         conv("q d", "k"), node("Sigmoid", "k", "s"), node("Mul", "h s", "m"), conv("m w", "y")],
        {"a": normal(6, 2, 1, 1), "b": normal(6), "c": normal(3, 6, 1, 1), "d": normal(6, 3, 1, 1),
         "w": normal(3, 6, 1, 1)}, SQUARE),
    "split": (
        [conv("x a b", "h"), onnx.helper.make_node("Split", ["h", "sizes"], ["u", "v"], axis=1), conv("u c", "p"),
         conv("v d", "q"), node("Add", "p q", "s"), conv("s w", "y")],
        {"a": normal(7, 2, 1, 1), "b": normal(7), "sizes": np.array([4, 3]), "c": normal(5, 4, 1, 1),
         "d": normal(5, 3, 1, 1), "w": normal(2, 5, 1, 1)}, SQUARE),
    "equal split": (
        [conv("x a", "h"), onnx.helper.make_node("Split", ["h"], ["u", "v"], axis=1), conv("u c", "p"),
         conv("v d", "q"), node("Max", "p q", "s"), conv("s w", "y")],
        {"a": normal(8, 2, 1, 1), "c": normal(5, 4, 1, 1), "d": normal(5, 4, 1, 1), "w": normal(2, 5, 1, 1)}, SQUARE),
    "slice": (
        [conv("x a", "h"), node("Slice", "h low high axes", "u"), node("Slice", "h high far axes", "v"),
         conv("u c", "p"), conv("v d", "q"), node("Sub", "p q", "s"), conv("s w", "y")],
        {"a": normal(9, 2, 1, 1), "low": np.array([0]), "high": np.array([4]), "far": np.array([2**31]),
         "axes": np.array([-3]), "c": normal(5, 4, 1, 1), "d": normal(5, 5, 1, 1), "w": normal(2, 5, 1, 1)}, SQUARE),
    "gather": (
        [conv("x a b", "h"), node("Gather", "h order", "u", axis=1), conv("u c", "y")],
        {"a": normal(5, 2, 1, 1), "b": normal(5), "order": np.array([4, 1, 0, -2, 1, 2]), "c": normal(3, 6, 1, 1)},
        SQUARE),
    "shared": (
        [conv("x a b", "h"), node("Relu", "h", "r"), conv("r w c", "p", pads=PAIR), node("Relu", "p", "q"),
         conv("q w c", "s", pads=PAIR), conv("s d", "y")],
        {"a": normal(4, 2, 1, 1), "b": normal(4), "w": normal(4, 4, 3, 3), "c": normal(4), "d": normal(2, 4, 1, 1)},
        SQUARE),
    "constants of several": (
        [conv("x a b", "h"), node("Relu", "h", "r"), conv("r w b", "p"), node("Add", "p m", "s"), conv("s d b2", "y")],
        {"a": normal(4, 2, 1, 1), "b": normal(4), "w": normal(4, 4, 1, 1), "m": normal(4, 3, 1),
         "d": normal(4, 4, 1, 1), "b2": normal(4)}, SQUARE),
    "sizes of shapes": (
        [conv("x a", "h"), node("Relu", "h", "r"), node("Shape", "r", "n"), node("Gather", "n zero", "i", axis=0),
         node("Unsqueeze", "i first", "j"), node("Concat", "j features", "k", axis=0), node("Reshape", "r k", "f"),
         node("MatMul", "f w", "y")],
        {"a": normal(4, 2, 1, 1), "zero": np.array(0), "first": np.array([0]), "features": np.array([36]),
         "w": normal(36, 3)}, SQUARE),
    "resize": (
        [conv("x a", "h"), onnx.helper.make_node("Resize", ["h", "", "", "size"], ["r"], mode="nearest"),
         conv("r w", "y")],
        {"a": normal(4, 2, 1, 1), "size": np.array([1, 4, 6, 6]), "w": normal(2, 4, 1, 1)}, SQUARE),
    "joined positions": (
        [conv("x a", "h"), node("Concat", "h tokens", "c", axis=2), conv("c w", "y")],
        {"a": normal(4, 2, 1, 1), "tokens": normal(1, 4, 2, 3), "w": normal(2, 4, 1, 1)}, SQUARE),
    "heads": (
        [node("MatMul", "x a", "h"), node("Reshape", "h four", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3]),
         node("ReduceMax", "t", "q", axes=[2], keepdims=0), node("Reshape", "q flat", "f"), node("MatMul", "f w", "y")],
        {"a": normal(4, 6), "four": np.array([0, 5, 2, 3]), "flat": np.array([-1, 6]), "w": normal(6, 3)}, [5, 4]),
    "blocks": (
        [conv("x a", "h"), node("DepthToSpace", "h", "d", blocksize=2, mode="CRD"), conv("d w", "y")],
        {"a": normal(12, 2, 1, 1), "w": normal(2, 3, 1, 1)}, SQUARE),
    "padded": (
        [conv("x a", "h"), node("Pad", "h pads", "p"), node("AveragePool", "p", "q", kernel_shape=[2, 2]),
         node("GlobalMaxPool", "q", "g"), node("Squeeze", "g last", "s"), node("Gemm", "s w b", "y", transB=1)],
        {"a": normal(4, 2, 1, 1), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "last": np.array([2, 3]),
         "w": normal(3, 4), "b": normal(1, 3)},
        SQUARE),
}  # fmt: skip


def net_of(name: str) -> FloatNet:
    nodes, weights, sample = CASES[name]
    return float_net(graph(nodes, weights, sample=sample))


@pytest.mark.parametrize("name", CASES)
def test_channels_are_taken_out_through(name: str) -> None:
    net = net_of(name)
    free = [group for group in net.groups if not group.fixed]
    assert any(group.size > 1 for group in free)
    for seed in range(4):
        check(net, drawn(net, seed, (0.0, 0.3, 0.6, 0.9)[seed]), normal(3, *CASES[name][2], seed=seed))


@pytest.mark.parametrize("name", CASES)
def test_other_tools_run_the_file_of_what_is_left(name: str) -> None:
    x = normal(3, *CASES[name][2])
    net = net_of(name)
    found = without(net, drawn(net, 1))
    session = onnxruntime.InferenceSession(found.onnx(), providers=["CPUExecutionProvider"])
    for sample in x:
        (made,) = session.run(None, {"x": sample[None]})
        np.testing.assert_allclose(made, outputs_of(found, [sample[None]])[0], rtol=1e-4, atol=1e-4)


def test_one_weight_of_several_layers_stays_one() -> None:
    net = net_of("shared")
    found = without(net, drawn(net, 3, 0.5))
    assert found.constants.keys() == net.constants.keys()
    assert found.constants["w"].shape[:2] == (len(found.constants["c"]),) * 2 < (4, 4)


def test_constants_that_are_read_for_other_channels_are_several() -> None:
    net = net_of("constants of several")
    kept = [np.ones(group.size, bool) for group in net.groups]
    kept[1][:2] = False
    found = without(net, kept)
    np.testing.assert_array_equal(found.constants["b"], net.constants["b"][2:])
    (other,) = [name for name in found.constants if name.startswith("b_")]
    np.testing.assert_array_equal(found.constants[other], net.constants["b"])


def test_nothing_is_taken_out_where_all_stay() -> None:
    net = net_of("split")
    assert without(net, [np.ones(group.size, bool) for group in net.groups]) == net


def test_what_cannot_go_is_said() -> None:
    net = net_of("split")
    sizes = [group.size for group in net.groups]
    assert sizes == [2, 7, 5, 2]
    with pytest.raises(BitwrightError) as error:
        without(net, [np.ones(2, bool)])
    assert str(error.value) == (
        "model: kept: says which of [2] channels stay\n  hint: the groups of the network have [2, 7, 5, 2]"
    )
    with pytest.raises(BitwrightError) as error:
        without(net, [np.ones(2, bool), np.ones(7, bool), np.ones(5, bool), np.array([True, False])])
    assert str(error.value) == (
        "model: kept: group 3 has channels of an input or an output of the network\n  hint: keep all of them"
    )
    with pytest.raises(BitwrightError) as error:
        without(net, [np.ones(2, bool), np.arange(7) > 3, np.ones(5, bool), np.ones(2, bool)])
    assert str(error.value) == (
        "model: nothing is left of the tensor 'u'\n  hint: keep at least one channel of each group"
    )
