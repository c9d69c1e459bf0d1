# SPDX-License-Identifier: Apache-2.0
"""Layers of few neurons at many places: what they read is found again from the place alone, and they learn."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import fit, trainable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, integer
from tests.compress.nets import normal
from tests.compress.torch.digits import accuracy, dense, digits
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.atoms import Atoms, places  # noqa: E402

pytestmark = needs_package("torch")


def drawn(at: int, factor: int) -> int:
    """The hash of a place, with whole numbers alone."""
    held = (at * factor) % 2**32
    held ^= held >> 15
    held = (held * 40503) % 2**32
    return held ^ (held >> 13)


@pytest.mark.rows("R046")
def test_an_expanded_layer_is_its_neurons_at_their_places() -> None:
    x = torch.from_numpy(normal(10, 13)).requires_grad_()
    quantiser = Atoms(x.detach(), integer(8, signed=True, narrow=True), torch.ones(10, 1), po2=False)
    which, reads = places(10, 13)
    neurons = quantiser.neurons(x)
    assert neurons.shape == (3, 7) and which.max() < 3  # a quarter of the outputs, half of the inputs
    assert which.tolist() == [drawn(row, 2654435761) % 3 for row in range(10)]
    for row in range(10):
        order = sorted(range(13), key=lambda term, row=row: (drawn(row * 40503 + term, 2246822519), term))  # type: ignore[misc]
        assert reads[row].tolist() == order[:7]
    value = quantiser(x)
    step = float(quantiser.scale.detach())
    inputs = normal(13, 20, seed=1)
    codes = (neurons / step).detach().numpy().round() * step
    by_index = np.stack([codes[which[row]] @ inputs[reads[row]] for row in range(10)])
    np.testing.assert_allclose(value.detach().numpy() @ inputs, by_index, rtol=1e-4, atol=1e-5)

    slopes = torch.from_numpy(normal(10, 13, seed=2))
    (found,) = torch.autograd.grad((value * slopes).sum(), [x])
    sums = np.zeros((3, 7))
    for row in range(10):
        sums[which[row]] += slopes.numpy()[row, reads[row]]
    wanted = np.zeros((10, 13))
    for row in range(10):
        wanted[row, reads[row]] = (sums / np.bincount(which, minlength=3)[:, None])[which[row]]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.rows("R046")
def test_digits_are_learnt_with_few_numbers() -> None:
    x, y, *_ = digits()
    module = trainable(dense(96, 48), weights="atoms:6", activations="lsq:6", scale="po2", calibration=x)
    fit(module, (x, y), epochs=25, lr=1e-2)
    codes = {name: coded.codes for name, (coded,) in module.state().weights.items()}
    stored = sum(-(-len(each) // 4) * (each.shape[1] // 2) for each in codes.values())
    assert stored + 96 + 48 + 10 == 24 * 32 + 12 * 48 + 3 * 24 + 154 < 2000
    for each in codes.values():  # as many different rows as there are neurons, in their order
        which, reads = places(*each.shape)
        for neuron in np.unique(which):
            assert len(np.unique(np.take_along_axis(each, reads, axis=1)[which == neuron], axis=0)) == 1
    assert accuracy(module) > 0.9
    with torch.no_grad():
        np.testing.assert_array_equal(module(torch.from_numpy(x[:50])).numpy(), bw.run(module.graph(), x[:50]))


@pytest.mark.rows("R042")
def test_hashed_weights_learn_from_scratch_too() -> None:
    """Their scale went to zero."""
    x, y, *_ = digits()
    module = trainable(dense(64), weights="hashed:6", activations="lsq:6", calibration=x)
    fit(module, (x, y), epochs=15, lr=1e-2)
    assert accuracy(module) > 0.8


def test_one_bit_has_no_zero() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Atoms(torch.ones(2, 2), BIPOLAR, torch.ones(2, 1), po2=False)
    assert str(refusal.value) == "quantiser 'atoms': has no zero at one bit\n  hint: give it 2 bits or more"
