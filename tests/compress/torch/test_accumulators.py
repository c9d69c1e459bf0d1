# SPDX-License-Identifier: Apache-2.0
"""Sums that fit an accumulator of so many bits: the ranges that the compiler finds are the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.compress import fit, trainable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.types import IntType, integer
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.accumulators import bounded  # noqa: E402
from tests.compress.torch.test_trainable import assert_exact, moved  # noqa: E402

pytestmark = needs_package("torch")
MODEL, X = (lambda draw: (draw.model(), draw.samples()))(Draw(7))


def widths(net: Graph) -> list[int]:
    return [layer.type.bits for layer in net.layers if isinstance(layer, Conv | Dense)]


@pytest.mark.parametrize("scale", ["free", "po2"])
def test_the_compiler_finds_no_wider_sums(scale: str) -> None:
    options: dict[str, Any] = {"weights": "lsq:4", "activations": "lsq:4", "scale": scale, "calibration": X}
    free = moved(trainable(MODEL, **options), 0)
    most = max(widths(free.graph()))
    for bits in (most - 1, most - 3, most + 2):
        module = moved(trainable(MODEL, accumulator=bits, **options), 0)
        assert max(widths(module.graph())) <= bits
        assert (module.state() == free.state()) == (bits > most)
    if scale == "po2":
        module = moved(trainable(MODEL, accumulator=most - 2, **options), 0)
        assert_exact(module, X)


@pytest.mark.parametrize("reads", [integer(3, signed=False), integer(3, signed=True), IntType(-1, 6)])
def test_sums_of_any_inputs_fit_and_come_near_the_end(reads: IntType) -> None:
    codes = torch.from_numpy(np.random.default_rng(0).integers(-7, 8, (50, 40)).astype(np.float32))
    for bits in (6, 8, 10):
        room, made = integer(bits, signed=True), bounded(codes, codes, reads, bits).numpy()
        ends = [np.where(made > 0, made * a, made * b).sum(1) for a, b in ((reads.hi, reads.lo), (reads.lo, reads.hi))]
        assert ends[0].max() <= room.hi and ends[1].min() >= room.lo
        assert (np.abs(made) <= codes.abs().numpy()).all() and np.array_equal(made, np.rint(made))
        changed = (made != codes.numpy()).any(1)
        share = np.maximum(ends[0] / room.hi, ends[1] / room.lo)
        assert changed.any() and share[changed].min() > 0.7


def test_rows_whose_sums_fit_are_left_as_they_are() -> None:
    codes = torch.tensor([[1.0, -2, 3], [7, 7, 7]])
    made = bounded(codes, codes, integer(2, signed=False), 5)
    assert made[0].tolist() == [1, -2, 3] and sorted(made[1].tolist()) == [1, 2, 2]


def test_of_equal_codes_the_largest_weights_stay() -> None:
    weight = torch.tensor([[0.3, 0.9, -0.8, 0.5, -0.2, 0.7]])
    assert bounded(weight.sign(), weight, integer(2, signed=False), 4).tolist() == [[0, 1, -1, 0, 0, 1]]


def test_a_gradient_passes_by_the_factor() -> None:
    codes = torch.full((1, 4), 4.0, requires_grad=True)
    bounded(codes, codes, integer(1, signed=False), 4).sum().backward()
    np.testing.assert_allclose(codes.grad.numpy(), 7 / 16, rtol=1e-5)


def test_a_network_learns_within_its_accumulators() -> None:
    model = graph(
        [node("Gemm", "x a p", "h"), node("Relu", "h", "r"), node("Gemm", "r b q", "y")],
        {"a": normal(6, 24), "p": normal(24), "b": normal(24, 3), "q": normal(3)},
        sample=[6],
    )
    x = normal(128, 6, seed=1)
    y = (x[:, 0] > 0) + (x[:, 1] > 0).astype(np.int64)
    module = trainable(model, weights=4, activations=4, calibration=x, accumulator=8)
    losses = fit(module, (x, y), epochs=30, lr=3e-2)
    assert losses[-1] < losses[0] / 2 and max(widths(module.graph())) <= 8


def test_what_cannot_be_bounded_is_one_message() -> None:
    model = graph([node("Gemm", "x a", "y")], {"a": normal(6, 5)}, sample=[6])
    for given, message in (
        ({"accumulator": 3}, "trainable: an accumulator of 3 bits\n  hint: give 4 to 32 bits"),
        (
            {"weights": "bwn"},
            "trainable: weight 'a' has bwn beside an accumulator\n"
            "  hint: leave one out, or use lsq: where sums are too large, codes are made smaller",
        ),
        (
            {"weights": None, "activations": None, "calibration": None},
            "trainable: accumulator without quantisers\n"
            "  hint: give weights and activations, for example 'lsq:4' both, or leave it out",
        ),
    ):
        options = {"weights": 4, "activations": 4, "calibration": normal(9, 6), "accumulator": 12, **given}
        with pytest.raises(BitwrightError) as error:
            trainable(model, **options)
        assert str(error.value) == message
