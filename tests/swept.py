# SPDX-License-Identifier: Apache-2.0
"""A sweep of the digits network that is there: its data split in three, a few designs, its folder."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import Options
from bitwright.explore import price_file
from bitwright.explore.kept import Kept
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.prices import filled
from bitwright.explore.setup import DATA, MODEL, TABLE, Setup, data_of, digests
from bitwright.explore.space import Space
from bitwright.explore.strategies import Problem
from bitwright.explore.sweep import Sweep, sweep

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
FLOAT = DIGITS / "digits_float.onnx"
PLAIN = Options(rounding="nearest", correct="none", zero="never")
Arrays = dict[str, NDArray[Any]]


def splits(count: int = 120) -> Arrays:
    """Samples to calibrate on, others to choose by, and again others to test with."""
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y, calibration = file["x"], file["y"], file["calibration"][:64]
    end = 2 * count
    return {
        "calibration": calibration,
        "validation": x[:count],
        "y_validation": y[:count],
        "x": x[count:end],
        "y": y[count:end],
    }


def swept(
    folder: Path, space: Space, evaluations: int = 100, arrays: Arrays | None = None, model: Path = FLOAT, **more: Any
) -> Kept:
    """A grid of a space, in a folder."""
    arrays = splits() if arrays is None else arrays
    setup = Setup(**{"model": model.name, "options": PLAIN, **more})
    net = setup.net(model)
    maker = setup.maker(space, net, arrays)
    prices, objectives = filled(maker), (OBJECTIVES["accuracy"], OBJECTIVES["cost"])
    score = setup.scoring(net, arrays).float_score(net)
    told: Mapping[str, Any] = {name: getattr(score, name) for name in ("low", "high", "samples", "total")}
    asked = Sweep(
        problem=Problem(space=space, objectives=objectives, budget={}, evaluations=evaluations),
        evaluate=setup.evaluation(maker, prices, objectives, arrays),
        settings={
            **setup.settings(),
            "network": net.digest,
            "data": digests(arrays),
            "float": {"accuracy": score.value, **told},
        },
        files={
            MODEL: model.read_bytes(),
            DATA: data_of(arrays),
            TABLE: dumps(price_file.to_dict(prices)).encode(),
        },
    )
    return sweep(asked, folder)
