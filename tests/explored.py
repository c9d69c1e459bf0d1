# SPDX-License-Identifier: Apache-2.0
"""A sweep that never was: 300 designs of six layers with figures that are like those of a network."""

from __future__ import annotations

import random
from dataclasses import replace

from bitwright.explore.explored import Curve, Curves, Explored, Picked, Proven
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.record import Failure, Outcome, Record, Score
from bitwright.explore.space import Axis, Design, Space

HOSTILE = "<script>alert(1)</script>&'\""
LAYERS = ("conv1", "conv2", "stage2/block_1/conv2d_4/Conv2D_quantize", HOSTILE, "dense1", "dense2")
MACS = (14_400, 230_400, 460_800, 115_200, 9_216, 1_280)
BITS = (2, 3, 4, 5, 6, 7, 8)
SPACE = Space(
    (
        *(Axis(f"weights:{name}", "weights", BITS, (name,)) for name in LAYERS),
        *(Axis(f"activations:{name}", "activations", BITS, (name,)) for name in LAYERS),
        Axis("sparsity", "sparsity", (0.0, 0.5, 0.75)),
    )
)
TOTAL = 1000


def record(design: Design, draw: random.Random, samples: int = TOTAL, *, compiled: bool = False) -> Record:
    """Figures that rise with the bits, a score that falls where they are few."""
    value = dict(design.choices)
    zeros = float(value["sparsity"])
    lost = (
        sum(
            float(3 + row) * 0.5 ** (int(value[f"weights:{name}"]) + int(value[f"activations:{name}"])) * 1.2
            for row, name in enumerate(LAYERS)
        )
        / 6
        + 0.03 * zeros**2
    )
    accuracy = round(max(0.1, 0.974 - lost + draw.gauss(0, 0.003)) * samples) / samples
    lut = 900.0 + sum(layers(design)[name]["lut"] for name in LAYERS)
    figures = {
        "accuracy": accuracy,
        "lut": round(lut * (1.01 if compiled else 1)),
        "dsp": 0,
        "cycles": 2048 if zeros < 0.7 else 1100,
        "weight_bits": sum(int(value[f"weights:{name}"]) * macs // 16 for name, macs in zip(LAYERS, MACS, strict=True)),
    }
    wide = 1.96 * (accuracy * (1 - accuracy) / samples) ** 0.5
    score = Score(value=accuracy, low=accuracy - wide, high=min(1, accuracy + wide), samples=samples, total=TOTAL)
    return Record(design=design, figures=figures, score=score, compiled=compiled)


def layers(design: Design) -> dict[str, dict[str, float]]:
    """Figures of each layer."""
    value = dict(design.choices)
    found = {}
    for name, macs in zip(LAYERS, MACS, strict=True):
        bits = int(value[f"weights:{name}"]) * int(value[f"activations:{name}"])
        found[name] = {
            "lut": round(60 + bits * macs**0.35 * (1 - 0.5 * float(value["sparsity"]))),
            "cycles": macs // 225,
        }
    return found


def explored(count: int = 300) -> Explored:
    """Uniform designs first, then mixed ones; some refused, some stopped early; those on the front are final."""
    draw = random.Random(7)
    designs = [each for each in SPACE.uniforms() if each["sparsity"] == 0.0][:49]
    while len(designs) < count:
        base, spread = draw.randrange(7), draw.choice((1, 2, 3))
        places = [min(6, max(0, base + draw.randint(-spread, spread))) for _ in range(12)]
        designs.append(SPACE.design([*places, draw.choice((0, 0, 1, 2))]))
    outcomes: list[Outcome] = []
    for at, design in enumerate(dict.fromkeys(designs)):
        if at % 60 == 59:
            outcomes.append(
                Failure(design=design, kind="refused", what=f"node '{HOSTILE}': no zeros", where="w", hint="h")
            )
        else:
            outcomes.append(record(design, draw, 250 if at % 3 == 2 and at > 49 else TOTAL))
    made = Explored(
        model=f"{HOSTILE}.onnx",
        folder="out/sweep <1>",
        how="evolution, seed 0; 1,000 validation samples; part xc7z020clg400-1; 100 MHz",
        space=SPACE,
        objectives=(OBJECTIVES["accuracy"], OBJECTIVES["lut"], OBJECTIVES["cycles"]),
        outcomes=tuple(outcomes),
        reference=Score(value=0.976, low=0.965, high=0.984, samples=TOTAL, total=TOTAL),
    )
    front = {each.design.key for each in made.front}
    final = [
        record(one.design, random.Random(at), compiled=True) if one.design.key in front else one
        for at, one in enumerate(outcomes)
    ]
    made = replace(made, outcomes=tuple(final))
    keys = [each.design.key for each in made.front]
    return replace(
        made,
        layers={each.design.key: layers(each.design) for each in made.front},
        proofs=tuple(_proven(each, at) for at, each in enumerate(made.front[::3])),
        picked=(Picked(key=keys[len(keys) // 2], test=replace(made.front[len(keys) // 2].score, value=0.951)),),
        sensitivity=Curves(
            curves=tuple(_curve(name, row) for row, name in enumerate(LAYERS)), samples=512, reference=0.9766
        ),
    )


def _proven(record: Record, at: int) -> Proven:
    lut, errs = record.figures["lut"], 0.1 / (1 + at)
    said = {"budget": lut + 10, "takes": lut, "errs": errs, "gap": 0.01 if at == 1 else 0.0}
    return Proven(key=record.design.key, cost="lut", error="kl", proved=at != 1, **said)


def _curve(name: str, row: int) -> Curve:
    points = ((bits, 0.974 - (1 + row) * 0.09 * 0.45 ** (bits - 1)) for bits in BITS)
    return Curve(axis=f"weights:{name}", points=(*points, ("2:4", None)))
