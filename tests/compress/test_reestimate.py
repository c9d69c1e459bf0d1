# SPDX-License-Identifier: Apache-2.0
"""Statistics of normalisations are those of the samples, and outliers of weights stand in a layer of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitwright.compress import float_net, outputs_of, pruned
from bitwright.compress.correct import bias
from bitwright.compress.reestimate import reestimated
from bitwright.compress.transforms import TRANSFORMS
from bitwright.compress.transforms.split import SHARE, outliers
from tests.compress.nets import graph, node, normal
from tests.compress.test_slimming import X, normalised


@pytest.mark.rows("R014")
def test_statistics_are_those_of_the_samples_behind_each_other() -> None:
    net = pruned(normalised(), criterion="magnitude", sparsity=0.6)
    made = reestimated(net, [X])
    for norm in [each for each in made.nodes if each.op == "BatchNormalization"]:
        (held,) = outputs_of(replace(made, outputs=(norm.inputs[0],)), [X])
        rows = np.moveaxis(held, 1, -1).reshape(-1, held.shape[1])
        np.testing.assert_allclose(made.constants[norm.inputs[3]], rows.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(made.constants[norm.inputs[4]], rows.var(axis=0), rtol=1e-4)
        (after,) = outputs_of(replace(made, outputs=(norm.outputs[0],)), [X])
        np.testing.assert_allclose(after.mean(axis=(0, 2, 3)), made.constants[norm.inputs[2]], atol=1e-4)
    assert reestimated(made, [X]) == made


@pytest.mark.rows("R012")
def test_a_corrected_bias_makes_the_means_of_channels_equal() -> None:
    """The weights' integers stay as they are; what is added puts each channel's mean where it was."""
    constants = {"a": normal(8, 6), "c": normal(8)}
    net = float_net(graph([node("Gemm", "x a c", "y", transB=1)], constants, sample=[6]))
    x = np.abs(normal(200, 6, seed=2))
    coarse = net.replace(a=np.rint(constants["a"] * 1.5) / np.float32(1.5))
    means = [outputs_of(each, [x])[0].mean(axis=0) for each in (net, coarse)]
    assert np.abs(means[0] - means[1]).max() > 0.05
    mended = coarse.replace(c=constants["c"] + bias(means[0], means[1]).astype(np.float32))
    np.testing.assert_allclose(outputs_of(mended, [x])[0].mean(axis=0), means[0], atol=1e-5)
    np.testing.assert_array_equal(mended.constants["a"], coarse.constants["a"])


@pytest.mark.rows("R019")
def test_outliers_stand_in_a_layer_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = normal(6, 4, 3, 3)
    weight[2, 1, 0, 0] = 30
    nodes = [node("Conv", "x a b", "y", pads=[1, 1, 1, 1])]
    net = float_net(graph(nodes, {"a": weight, "b": normal(6)}, sample=[4, 5, 5]))
    made = TRANSFORMS["outliers"](net)
    few, most = (made.constants[layer.weight] for layer in reversed(made.layers))
    np.testing.assert_array_equal(few + most, weight)
    assert np.count_nonzero(few) == int(SHARE * weight.size) and np.abs(most).max() <= np.abs(few[few != 0]).min()
    x = normal(10, 4, 5, 5, seed=1)
    np.testing.assert_allclose(outputs_of(made, [x])[0], outputs_of(net, [x])[0], atol=1e-4)
    errors = []
    for share in (0.0, 0.01, 0.03, 0.1, 0.5):
        monkeypatch.setattr("bitwright.compress.transforms.split.SHARE", share)
        rest = next(made.constants[layer.weight] for made in [TRANSFORMS["outliers"](net)] for layer in made.layers)
        step = np.abs(rest).max() / 7
        errors.append(float(((rest - np.rint(rest / step) * step) ** 2).sum()))
    assert errors == sorted(errors, reverse=True)
    monkeypatch.undo()
    assert not outliers(np.ones((2, 3))).any()
