# SPDX-License-Identifier: Apache-2.0
"""A design becomes the network that it says: bits for each weight and each tensor, options, and a target."""

from __future__ import annotations

import pickle  # noqa: TID251 (of what the test itself made)
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.compress import Calibration, Options, calibrate, quantised
from bitwright.explore.making import Maker
from bitwright.explore.space import Axis, Design, Space
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
PLAIN = Options(rounding="nearest", correct="none", zero="never")


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    with np.load(DIGITS / "digits_data.npz") as file:
        return calibrate(DIGITS / "digits_float.onnx", [file["calibration"][:64]])


def per_layer(calibration: Calibration) -> Space:
    net, bits = calibration.net, tuple(range(2, 9))
    weights = [Axis(layer.weight, "weights", bits, (layer.weight,)) for layer in net.layers]
    return Space((*weights, *(Axis(site.tensor, "activations", bits, (site.tensor,)) for site in net.sites)))


def test_each_weight_and_tensor_has_the_bits_that_the_design_says(calibration: Calibration) -> None:
    space = per_layer(calibration)
    design = space.design([place % 7 for place in range(len(space.axes))])
    made = Maker(space, calibration, PLAIN).made(design)
    assert made.widths == dict(design.choices)
    assert {name: bases[0].type.bits for name, bases in made.state.weights.items()} | {
        name: act.type.bits for name, act in made.state.acts.items()
    } == made.widths
    assert set(made.zeros.values()) == {0.0} and made.zeros.keys() == made.state.weights.keys()
    assert made.target == Target()


def test_a_uniform_design_is_what_quantize_makes(calibration: Calibration) -> None:
    said: dict[str, Any] = {"weights": 3, "activations": 5, "per_channel": False, "range": "sawb", "scale": "po2"}
    said |= {"rounding": "gptq", "correct": "bias", "zero": "never"}
    space = Space(tuple(Axis(name, name, (value,)) for name, value in said.items()))
    made = Maker(space, calibration).made(space.design([0] * len(said)))
    assert made.state == quantised(calibration, **said)


def test_a_design_says_what_it_is_compiled_for(calibration: Calibration) -> None:
    space = Space((Axis("speed", "fps", (1000.0, 5000.0)), Axis("part", "part", ("xc7z020", "xczu3eg"))))
    maker = Maker(space, calibration, target=Target(cycles=300, clock_ns=5.0))
    assert maker.targeted(space.design([1, 0])) == Target(fps=5000.0, clock_ns=5.0, part="xc7z020")


def test_a_maker_travels(calibration: Calibration) -> None:
    space = per_layer(calibration)
    maker = Maker(space, calibration, PLAIN)
    design = space.design([0] * len(space.axes))
    assert pickle.loads(pickle.dumps(maker)).made(design).state == maker.made(design).state


def test_what_no_design_can_say_is_refused(calibration: Calibration) -> None:
    def said(*axes: Axis) -> str:
        with pytest.raises(BitwrightError) as refusal:
            Maker(Space(axes), calibration)
        return str(refusal.value)

    weight, tensor = calibration.net.layers[1].weight, calibration.net.sites[0].tensor
    assert said(Axis("a", "weight", (2, 3))) == (
        "axis 'a': there is no option 'weight'\n  hint: the nearest are 'weights'"
    )
    assert said(Axis("a", "weights", ())) == "axis 'a': has no values\n  hint: give at least one"
    assert said(Axis("a", "weights", (2,), (weight, tensor))) == (
        f"axis 'a': '{tensor}' is nothing whose weights can be chosen\n"
        "  hint: there are 'conv1.weight', 'conv2.weight', 'dense1.weight', 'dense2.weight'"
    )
    with pytest.raises(AssertionError):
        Maker(Space((Axis("a", "weights", (2,)),)), calibration).made(Design((("b", 2),)))
