# SPDX-License-Identifier: Apache-2.0
"""How designs of a sweep are made, priced and scored goes through JSON, and makes and scores the same designs after."""

from __future__ import annotations

import io
from json import dumps, loads
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import Options
from bitwright.compress.config import read_config
from bitwright.explore.setup import Setup, data_of, digests, split_of
from bitwright.explore.space import Axis, Space
from bitwright.planning.target import Target

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
SETUP = Setup(
    model="digits_float.onnx",
    options=Options(rounding="nearest", correct="none", zero="never", transforms=("fuse",)),
    target=Target(fps=1000.0, clock_ns=5.0, part="xc7z020"),
    rules=read_config({"conv1": {"weights": 8, "zero": True}, "*": {"range": "max"}}),
    seed=3,
)


@pytest.fixture(scope="module")
def arrays() -> dict[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y = file["x"][:60], file["y"][:60]
        return {"calibration": file["calibration"][:64], "validation": x[:40], "y_validation": y[:40], "x": x, "y": y}


def test_a_setup_is_words_and_a_setup_again() -> None:
    assert Setup.of(loads(dumps({**SETUP.settings(), "axes": []}))) == SETUP
    plain = Setup(model="net.onnx")
    assert Setup.of(loads(dumps(plain.settings()))) == plain


def test_the_same_setup_makes_and_scores_the_same_designs(arrays: dict[str, NDArray[Any]]) -> None:
    net = SETUP.net(DIGITS / "digits_float.onnx")
    assert net.file == "digits_float.onnx"
    space = Space((Axis("bits", "weights", (2, 3)),))
    again = Setup.of(loads(dumps(SETUP.settings())))
    with np.load(io.BytesIO(data_of(arrays))) as file:
        kept = dict(file)
    one, other = SETUP.maker(space, net, arrays), again.maker(space, net, kept)
    for design in space.designs():
        made = one.made(design)
        assert made.state == other.made(design).state and made.target == SETUP.target
        assert made.widths[net.layers[0].weight] == design["bits"]
    scored, test = again.scoring(net, kept), again.scoring(net, kept, "x")
    assert (scored.samples, test.samples, scored.metric.name) == (40, 60, "accuracy")
    order = np.random.default_rng(3).permutation(40)
    assert np.array_equal(scored.arrays[0], arrays["validation"][order])
    assert np.array_equal(scored.wanted[0], arrays["y_validation"][order])


def test_arrays_are_told_apart_by_what_they_are(arrays: dict[str, NDArray[Any]]) -> None:
    held = digests(arrays)
    assert list(held) == sorted(arrays)
    other = digests({**arrays, "y": arrays["y"].astype(np.int32)})
    assert {name for name in held if held[name] != other[name]} == {"y"}


def test_a_split_is_an_array_for_each_input() -> None:
    a, b = np.zeros(3), np.ones(3)
    assert split_of({"x": a, "x_1": b, "x_3": a}, "x") == [a, b]
    assert split_of({"x": a}, "validation") == []
