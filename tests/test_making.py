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


PATTERNS = (0.8, "0.5 in 4x2", "2:4", 0)


@pytest.mark.parametrize("rounding, correct", [("nearest", "none"), ("gptq", "bias")])
def test_zeros_are_where_the_pattern_has_them(calibration: Calibration, rounding: str, correct: str) -> None:
    name = "conv2.weight"
    space = Space((Axis("zeros", "sparsity", PATTERNS, (name,)), Axis("weights", "weights", (8,))))
    maker = Maker(space, calibration, Options(rounding=rounding, correct=correct))
    single, blocks, neighbours, whole = (maker.made(design) for design in space.designs())
    assert [made.zeros[name] for made in (single, blocks, neighbours, whole)] == [0.8, 0.5, 0.5, 0.0]
    assert all(made.zeros[other] == 0 for made in (single, blocks, neighbours) for other in made.zeros if other != name)
    codes = [made.state.weights[name][0].codes for made in (single, blocks, neighbours, whole)]
    assert [round(float(np.mean(each == 0)), 1) for each in codes[:3]] == [0.8, 0.5, 0.5]
    pixels = np.moveaxis(codes[2], 1, -1).reshape(-1, 4)  # a pixel's channels are neighbours
    assert ((pixels != 0).sum(axis=1) <= 2).all()
    rows = np.moveaxis(codes[1], 1, -1).reshape(4, 4, -1, 2)
    assert set(np.unique((rows == 0).mean(axis=(1, 3)) > 0.99)) == {False, True}
    assert whole.state == quantised(calibration, weights=8, activations=8, rounding=rounding, correct=correct)
    again = Maker(space, calibration, Options(rounding=rounding, correct=correct)).made(space.design([0, 0]))
    assert again.state == single.state  # whatever was made before


def test_zeros_of_all_are_in_those_that_can_have_them(calibration: Calibration) -> None:
    space = Space((Axis("zeros", "sparsity", ("2:4",)),))
    made = Maker(space, calibration, PLAIN).made(space.design([0]))
    assert made.zeros == {"conv1.weight": 0, "conv2.weight": 0.5, "dense1.weight": 0.5, "dense2.weight": 0.5}


def test_no_sign_is_zero(calibration: Calibration) -> None:
    space = Space((Axis("zeros", "sparsity", (0.5, 0)), Axis("weights", "weights", (1, 2))))
    maker = Maker(space, calibration, PLAIN)
    with pytest.raises(BitwrightError) as refusal:
        maker.made(space.design([0, 0]))
    assert str(refusal.value) == (
        "weight 'conv1.weight': is to have zeros, and no sign is 0\n  hint: give it 2 bits or more, or no zeros"
    )
    assert set(maker.made(space.design([1, 0])).widths.values()) == {1, 8}


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
    assert said(Axis("a", "weight", (2, 3))) == ("axis 'a': has no option 'weight'\n  hint: the nearest are 'weights'")
    assert said(Axis("a", "weights", ())) == "axis 'a': has no values\n  hint: give at least one"
    assert said(Axis("a", "weights", (2,), (weight, tensor))) == (
        f"axis 'a': '{tensor}' is nothing whose weights can be chosen\n"
        "  hint: there are 'conv1.weight', 'conv2.weight', 'dense1.weight', 'dense2.weight'"
    )
    assert said(Axis("a", "weights", (2, 17))) == (
        "axis 'a': 17 cannot be used for weights\n  hint: choose 1 to 16 bits"
    )
    assert said(Axis("a", "activations", ("float",))) == (
        "axis 'a': 'float' cannot be used for activations\n  hint: choose 2 to 16 bits"
    )
    assert said(Axis("a", "sparsity", (1.5,))) == (
        "axis 'a': 1.5 cannot be used for sparsity\n"
        "  hint: give a share below 1 as 0.5, n of m as '2:4', or a share of blocks as '0.8 in 4x2'"
    )
    assert said(Axis("a", "fps", ("fast",))) == "axis 'a': 'fast' cannot be used for fps\n  hint: choose a number"
    assert said(Axis("a", "cycles", (0,))) == (
        "axis 'a': a target of 0 cannot be met\n  hint: give a positive number; --fps is bounded by the clock"
    )
    assert said(Axis("a", "part", ("xc7z02",))) == (
        "axis 'a': the part 'xc7z02' is not known\n"
        "  hint: the nearest names are xc7z020, xc7z012s, xc7z100, xc7z045; name a part or its device, or a board"
    )
    assert said(Axis("a", "weights", (2,)), Axis("b", "weights", (3,), (weight,))) == (
        f"axis 'b': says the weights of '{weight}', and so does axis 'a'\n  hint: let each be said by one axis"
    )
    assert said(Axis("a", "fps", (2,)), Axis("b", "cycles", (3,))) == (
        "axis 'b': says the cycles, and so does axis 'a'\n  hint: let each be said by one axis"
    )
    assert said(Axis("a", "weights", (2,)), Axis("a", "activations", (3,))) == (
        "axis 'a': is there twice\n  hint: give each its own name"
    )
    with pytest.raises(AssertionError):
        Maker(Space((Axis("a", "weights", (2,)),)), calibration).made(Design((("b", 2),)))


def test_a_search_sees_nearly_what_is_made_and_the_same_where_it_is_asked_to(calibration: Calibration) -> None:
    space = per_layer(calibration)
    design = space.design([1 + place % 3 for place in range(len(space.axes))])
    seen, each = Maker(space, calibration), Maker(space, calibration, codes="each")
    made = seen.made(design).state
    assert each.glimpsed(design).state == each.made(design).state == made
    assert seen.glimpsed(design).state != made
    assert seen.glimpsed(design).state.acts == made.acts and seen.glimpsed(design).widths == seen.made(design).widths
    plain = Maker(space, calibration, PLAIN)
    assert plain.glimpsed(design).state == plain.made(design).state
