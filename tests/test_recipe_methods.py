# SPDX-License-Identifier: Apache-2.0
"""Every method by its name in a recipe, on scikit-learn's digits: what it makes is the same read from its file, and run
in float32 by others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.compress import float_net
from bitwright.methods import registries
from bitwright.recipe import Kept, Material, follow, read_recipe
from bitwright.recipe.steps import STEPS
from tests.exported import execute
from tests.needs import needs_package

pytest.importorskip("torch")

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
FEW = 64
END = "- quantise: {weights: 4, activations: 4}"
RECIPES = {
    "range": "- quantise: {weights: 4, activations: 4, range: NAME}",
    "zero": "- quantise: {weights: 4, activations: 4, zero: NAME}",
    "rounding": "- quantise: {weights: 3, activations: 4, rounding: NAME}",
    "correct": "- quantise: {weights: 4, activations: 4, correct: NAME}",
    "transforms": "- quantise: {weights: 4, activations: 4, transforms: NAME}",
    "channels": f"- shrink: {{criterion: NAME, macs: 0.7}}\n{END}",
    "criterion": f"- prune: {{criterion: NAME, sparsity: 0.5}}\n{END}",
    "schedule": f"- prune: {{schedule: NAME, sparsity: 0.5}}\n{END}",
    "rule": f"- train: {{epochs: 1, prune: {{criterion: magnitude, sparsity: 0.5, rule: NAME}}}}\n{END}",
    "distil": f"- train: {{epochs: 1, distil: NAME}}\n{END}",
    "factor": f"- factor: {{method: NAME, share: 0.9}}\n{END}",
    "learner": f"- gates: {{learner: NAME, macs: 0.7, epochs: 3}}\n{END}",
    "constraint": f"- gates: {{constraint: NAME, macs: 0.7, epochs: 3}}\n{END}",
    "aids": f"- train: {{epochs: 1, aids: NAME}}\n{END}",
    "gradient": f"- train: {{epochs: 1, gradient: NAME}}\n{END}",
    "projection": f"- train: {{epochs: 1, project: 'NAME'}}\n{END}",
    "rewind": f"- lottery: {{rounds: 1, epochs: 1, rewind: NAME}}\n{END}",
    "allocator": "- quantise: {weights: 3, activations: 3, budget: {weight_bits: 9000}, allocator: NAME}",
    "menu": "- quantise: {weights: 4, activations: 4, budget: {weight_bits: 9000}, widths: NAME}",
    "sharing": "- quantise: {weights: 4, activations: 4, share: 16, sharing: NAME}",
    "step": f"- NAME: {{OPTIONS}}\n{END}",
    "weights": "- train: {epochs: 1, weights: 'NAME', activations: 'lsq:4'}",
    "activations": "- train: {epochs: 1, weights: 'lsq:4', activations: 'NAME'}",
}
"""A recipe for each family whose methods a recipe names."""
OPTIONS = {
    "gates": "epochs: 1",
    "learn": "epochs: 1, first: 7",
    "lottery": "rounds: 2, epochs: 1",
    "morph": "epochs: 1",
    "vote": "nets: 2, epochs: 1",
}
"""What steps are given, that their defaults would make slow here."""


def named() -> Iterator[tuple[str, str]]:
    for family, registry in registries().items():
        if family in RECIPES:
            yield from (
                (family, name)
                for name, function in registry.items()
                if function is not None and name != "straight-through"
            )


@cache
def material() -> Material:
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y = file["x"][:FEW], file["y"][:FEW]
    return Material([x], [x], y.astype(np.int64))


@needs_package("torch")
@pytest.mark.parametrize(("family", "name"), list(named()))
def test_a_recipe_takes_every_method(family: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bitwright.compress.torch import BITS

    monkeypatch.setattr(sys.modules["bitwright.compress.round.adaround"], "STEPS", 10)
    monkeypatch.setattr("bitwright.compress.torch.losses.PROBES", 4)
    given = f"{name}:4" if family in ("weights", "activations") and name not in BITS and name != "xnor" else name
    given = f"{name}:{4 if name == 'codes' else 0.5}" if family == "projection" else given
    text = RECIPES[family].removesuffix(END) if family == "step" and STEPS[name].ends is True else RECIPES[family]
    (tmp_path / "recipe.yaml").write_text(text.replace("NAME", given).replace("OPTIONS", OPTIONS.get(name, "")))
    net = float_net(DIGITS / "digits_float.onnx")
    state = follow(read_recipe(tmp_path / "recipe.yaml"), net, material(), Kept(tmp_path / "kept")).result.state
    state.save(tmp_path / "q.onnx")
    made, read = bw.run(state.graph(), material().train[0]), bw.run(bw.load(tmp_path / "q.onnx"), material().train[0])
    np.testing.assert_array_equal(made, read)
    written = onnx.load(tmp_path / "q.onnx")
    (entry,) = written.graph.input
    _, (theirs,) = execute(written, {entry.name: material().train[0]})
    np.testing.assert_array_equal(theirs, made)
    assert np.ptp(made) > 0
