# SPDX-License-Identifier: Apache-2.0
"""Channels by what training says of them: factors of normalisations, and gates against differences of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of, shrunk
from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.responses import places
from bitwright.compress.prune.slimming import by_gammas, by_gates, slim
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.needs import needs_package

Array = NDArray[Any]
X = normal(24, 2, 5, 5, seed=9)


def normalised(**changed: Array) -> FloatNet:
    """Two convolutions with a batch normalisation behind each, and a dense layer."""
    nodes = [
        node("Conv", "x a", "h"), node("BatchNormalization", "h g b m v", "n"), node("Relu", "n", "r"),
        node("Conv", "r c", "i"), node("BatchNormalization", "i g2 b2 m2 v2", "o"), node("Relu", "o", "s"),
        node("GlobalAveragePool", "s", "p"), node("Flatten", "p", "f"), node("Gemm", "f w u", "y", transB=1),
    ]  # fmt: skip
    constants = {"a": normal(6, 2, 2, 2), "c": normal(4, 6, 2, 2, seed=1), "w": normal(3, 4, seed=2), "u": normal(3)}
    for name, size in (("", 6), ("2", 4)):
        constants |= {f"g{name}": np.abs(normal(size, seed=size)) + np.float32(0.2), f"b{name}": normal(size, seed=7),
                      f"m{name}": normal(size, seed=8), f"v{name}": np.abs(normal(size, seed=9)) + 1}  # fmt: skip
    return float_net(graph(nodes, constants | changed, sample=[2, 5, 5]))


def free(net: FloatNet) -> list[Group]:
    return [group for group in net.groups if not group.fixed]


def test_factors_are_compared_between_groups() -> None:
    net = normalised()
    facts = Facts(net)
    for group, name in zip(free(net), ("g", "g2"), strict=True):
        np.testing.assert_array_equal(by_gammas(facts, group), np.abs(net.constants[name]))
    small = shrunk(net, criterion="slimming", macs=0.6)
    bars = [
        net.constants[name][np.isin(net.constants[name], small.constants[name], invert=True)] for name in ("g", "g2")
    ]
    least = min(small.constants[name].min() for name in ("g", "g2"))
    assert all(gone.max(initial=0.0) < least for gone in bars)


@pytest.mark.rows("R076")
def test_a_channel_of_factor_zero_leaves_its_constant_in_the_bias() -> None:
    """What a normalisation then adds is the same for every sample, and the next bias takes it up."""
    gamma = np.abs(normal(6, seed=6)) + np.float32(0.5)
    gamma[[1, 4]] = 0
    beta = normal(6, seed=7)
    beta[[1, 4]] = 3.0, 1.5
    net = normalised(g=gamma, b=beta, g2=np.full(4, 5, np.float32))
    small = shrunk(net, X, criterion="slimming", macs=0.75)
    assert [group.size for group in small.groups] == [2, 4, 4, 3]
    for one, other in zip(outputs_of(small, [X]), outputs_of(net, [X]), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)
    assert not np.allclose(
        outputs_of(shrunk(net, criterion="slimming", macs=0.75), [X])[0], outputs_of(net, [X])[0], atol=0.1
    )


def test_groups_without_a_normalisation_stay_whole_and_a_network_without_one_is_refused() -> None:
    nodes = [node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Conv", "r c", "y")]
    net = float_net(graph(nodes, {"a": normal(6, 2, 2, 2), "c": normal(4, 6, 2, 2)}, sample=[2, 5, 5]))
    with pytest.raises(BitwrightError) as error:
        shrunk(net, criterion="slimming")
    assert str(error.value) == (
        "model: has no batch normalisation, whose factors the criterion looks at\n"
        "  hint: export the network in training mode, or choose another criterion"
    )


def test_without_labels_there_is_one_message() -> None:
    with pytest.raises(BitwrightError) as error:
        shrunk(normalised(), X, criterion="gates")
    assert str(error.value) == (
        "model: the criterion looks at the loss, and the data has no labels\n"
        "  hint: give labels, or a criterion that needs none"
    )


def loss(net: FloatNet, y: Array) -> Array:
    """The cross entropy of each sample."""
    (made,) = outputs_of(net, [X])
    made = made.astype(np.float64)
    return np.asarray(np.log(np.exp(made).sum(axis=1)) - made[np.arange(len(y)), y])


@needs_package("torch")
def test_a_gate_moves_the_loss_as_its_slope_says() -> None:
    net, y = normalised(), np.arange(24) % 3
    for group in free(net):
        found = by_gates(Facts(net, [X], y), group)
        step = 1e-2
        for channel in range(group.size):
            ends = []
            for factor in (1 - step, 1 + step):
                changed: dict[str, Array] = {}
                for name, axis, channels in places(group, "reads"):
                    array = np.moveaxis(net.constants[name].copy(), axis, 0)
                    array[channels == channel] *= np.float32(factor)
                    changed[name] = np.moveaxis(array, 0, axis)
                ends.append(loss(net.replace(**changed), y))
            slopes = (ends[1] - ends[0]) / (2 * step)
            assert found[channel] == pytest.approx((slopes**2).mean(), rel=2e-2, abs=1e-6)


@needs_package("torch")
def test_a_channel_that_nothing_reads_is_no_gate() -> None:
    weight = normal(4, 6, 2, 2, seed=1)
    weight[:, 2] = 0
    net = normalised(c=weight)
    found = by_gates(Facts(net, [X], np.arange(24) % 3), free(net)[0])
    assert found[2] == 0 and (np.delete(found, 2) > 0).all()
    assert shrunk(net, X, labels=np.arange(24) % 3, criterion="gates", macs=0.5).groups[1].size < 6


@needs_package("torch")
def test_slim_pulls_factors_to_zero() -> None:
    import torch

    from bitwright.compress import fit, trainable

    net = normalised()
    module = trainable(net)
    penalty = slim(module, weight=0.5)
    penalty(torch.zeros(1), torch.zeros(1), None, {}).backward()
    for name in ("g", "g2"):
        slope = module.tensor(name).grad
        assert slope is not None
        np.testing.assert_allclose(slope.numpy(), 0.5 * np.sign(net.constants[name]))
    module = trainable(net)
    y = np.arange(24) % 3
    fit(module, (X, y), epochs=20, lr=2e-2, aids=[slim(module, weight=1.0)])
    plain = trainable(net)
    fit(plain, (X, y), epochs=20, lr=2e-2)
    sums = [
        sum(float(np.abs(each.float_net().constants[name]).sum()) for name in ("g", "g2")) for each in (module, plain)
    ]
    assert sums[0] < 0.8 * sums[1]
