# SPDX-License-Identifier: Apache-2.0
"""Twenty picked designs of mixed kinds: every engine has the integers of the reference, in the clocks that were told.

The price of each is that of `compile` for its network and target. Two are of every run, the others of long ones. So it
is with networks of three dialects that are folded alone, of which one is of every run.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.compress import FloatNet, float_net
from bitwright.design import Design
from bitwright.explore.checking import check
from bitwright.explore.kept import kept
from bitwright.explore.picking import pick
from bitwright.explore.sweeping import METHOD, sweep
from bitwright.hardware.plan import Plan
from bitwright.planning.price import KINDS as RESOURCES
from bitwright.planning.target import Target
from tests.folded import NETWORKS
from tests.needs import needs_rtl
from tests.swept import FLOAT, Arrays, splits

DATA = Path(__file__).parents[1] / "benchmarks/data"
ENGINES = ("reference", "fast", "hls", "rtl")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a design is: of a network, with bits drawn for each layer, and what else is said of all of it."""

    model: str = "digits"
    weights: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    activations: tuple[int, ...] = (2, 3, 4, 5, 6, 8)
    said: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=lambda: {"cycles": 1000})


KINDS: dict[str, Kind] = {
    "mixed": Kind(weights=(1, 2, 3, 4, 8), said={"scale": "po2"}, target={"cycles": 600}),
    "part": Kind(
        said={"sparsity": 0.5, "rounding": "gptq", "correct": "bias", "zero": "auto"},
        target={"fps": 1e5, "part": "xc7z020"},
    ),
    "bipolar": Kind(weights=(1,)),
    "bipolar of a residual network": Kind(model="digits_res_0", weights=(1,), said={"rounding": "gptq"}),
    "ternary": Kind(weights=(2,), activations=(2, 3), said={"per_channel": False}),
    "two of four": Kind(said={"sparsity": "2:4"}, weights=(2, 3, 4)),
    "blocks": Kind(said={"sparsity": "0.75 in 4x2"}, target={"cycles": 400}),
    "few weights": Kind(said={"sparsity": 0.9}, target={"cycles": 300}),
    "powers of two": Kind(said={"scale": "po2", "correct": "bias"}),
    "per tensor": Kind(said={"per_channel": False, "range": "sawb"}),
    "divergence": Kind(said={"range": "kl"}, target={"part": "xczu3eg"}),
    "always a zero point": Kind(said={"zero": "always", "range": "percentile"}, target={"cycles": 3000}),
    "slow": Kind(target={"cycles": 60_000}),
    "fast": Kind(target={"cycles": 160}),
    "residual": Kind(model="digits_res_0"),
    "residual with zeros": Kind(model="digits_res_1", said={"sparsity": "0.5 in 2x2", "scale": "po2"}),
    "residual with a zero point": Kind(model="digits_res_2", said={"zero": "auto", "rounding": "gptq"}),
    "depthwise": Kind(model="mnist5k_ds_0", said={"scale": "po2"}),
    "depthwise per tensor": Kind(model="mnist5k_ds_1", said={"per_channel": False}, target={"part": "xc7z020"}),
    "three convolutions": Kind(model="digits_cnn_0", weights=(1, 2, 3), said={"range": "aciq"}),
}


def network(kind: Kind) -> tuple[Path, Arrays]:
    """The file of the network, and data in splits."""
    if kind.model == "digits":
        return FLOAT, splits(40)
    file = DATA / f"{kind.model}.onnx"
    name, most = ("mnist5k", 255) if kind.model.startswith("mnist5k") else ("digits", 16)
    with np.load(DATA / f"{name}.npz") as held:
        images = {split: held[split][:64].astype(np.float32) / np.float32(most) for split in ("calibration", "x")}
        return file, images | {"validation": images["x"], "y_validation": held["y"][:64], "y": held["y"][:64]}


def space_of(kind: Kind, net: FloatNet, seed: int) -> dict[str, Any]:
    """One design: bits drawn for each weight and each tensor."""
    draw = random.Random(seed)
    layers: dict[str, Any] = {layer.weight: {"weights": [draw.choice(kind.weights)]} for layer in net.layers}
    for site in net.sites:
        layers.setdefault(site.tensor, {})["activations"] = [draw.choice(kind.activations)]
    said = {name: [value] for name, value in kind.said.items()}
    target = {name: [value] for name, value in kind.target.items()}
    return {"network": {**said, **target}, "layers": layers}


@needs_rtl
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if place < 2 else [pytest.mark.long]) for place, name in enumerate(KINDS)]
)
def test_a_picked_design_is_the_same_on_every_engine(name: str, tmp_path: Path) -> None:
    found = picked(name, tmp_path)
    verified(tmp_path / "out", found, priced(tmp_path / "out", found, Target(**KINDS[name].target)))


def test_a_price_is_that_of_the_file_that_is_written(tmp_path: Path) -> None:
    """Of channels that are constant the file has nothing to multiply by, and another requantiser is the cheapest."""
    priced(tmp_path / "out", picked("powers of two", tmp_path), Target(**KINDS["powers of two"].target))


FOLDED = {"tflite": 40, "qlinear": 100, "thresholds": 60}
"""Networks that stay what they are, by the clocks of the design that is picked."""


@needs_rtl
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if place < 1 else [pytest.mark.long]) for place, name in enumerate(FOLDED)]
)
def test_a_network_that_is_folded_alone_is_the_same_on_every_engine(name: str, tmp_path: Path) -> None:
    model, arrays = NETWORKS[name](tmp_path)
    cycles = FOLDED[name]
    swept = sweep(model, arrays, tmp_path / "swept", cycles=(cycles, 10 * cycles), objectives=("lut", "cycles"))
    found = pick(tmp_path / "swept", f"cycles<={cycles}, min lut", tmp_path / "out")
    assert check(tmp_path / "swept", found["id"])["same"]
    assert {record.figures["accuracy"] for record in swept.records} == {found["scores"]["validation"]["value"]}
    verified(tmp_path / "out", found, priced(tmp_path / "out", found, Target(cycles=cycles)))


def picked(name: str, folder: Path) -> dict[str, Any]:
    """What is told of the one design of a kind, once it is written to `out` in a folder."""
    kind = KINDS[name]
    model, arrays = network(kind)
    space = space_of(kind, float_net(model), list(KINDS).index(name))
    swept = sweep(model, arrays, folder / "swept", space=space, options=METHOD)
    (key,) = swept.designs
    found = pick(folder / "swept", key, folder / "out")
    assert check(folder / "swept", key)["same"]
    assert kept(folder / "swept").records[0].figures["accuracy"] == found["scores"]["validation"]["value"]
    return found


def priced(out: Path, found: Mapping[str, Any], target: Target) -> Design:
    """The design that `compile` makes of the file, whose price and plan are those of the pick."""
    (file,) = out.glob("model.*")
    net, force = api.load(file), target.part is not None
    design = api.compile(net, cycles=target.cycles, fps=target.fps, part=target.part, force=force)
    assert {name: found["compiled"][name] for name in RESOURCES} == asdict(design.price.total)
    plan = Plan.from_json((out / "design/plan.json").read_text(), where="plan.json")
    assert design.plan == plan and design.kernels.interval == found["compiled"]["cycles"]
    return design


def verified(out: Path, found: Mapping[str, Any], design: Design) -> None:
    """No engine differs, and the simulation takes the clocks that are told."""
    with np.load(out / "samples.npz") as file:
        inputs = [file[name] for name in sorted(file)]
    result = api.verify(design.graph, inputs, engines=ENGINES, design=design, samples=6)
    assert {name: result["engines"][name]["mismatches"] for name in ENGINES} == dict.fromkeys(ENGINES, 0)
    assert result["certificate"]["proved"] == result["certificate"]["layers"]
    assert result["engines"]["rtl"]["cycles_per_frame"] == found["compiled"]["cycles"]
