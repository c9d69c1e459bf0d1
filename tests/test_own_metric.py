# SPDX-License-Identifier: Apache-2.0
"""A metric of one's own is a function of a module, by whose name a folder finds it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.explore import check, sweep
from bitwright.explore.metrics import METRICS, Metric
from bitwright.explore.objectives import Objective
from bitwright.explore.own_metric import HINT, metric_of, name_of
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

HERE = "tests.test_own_metric"


def distance(outputs: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """The largest error of a sample."""
    return np.asarray(np.abs(outputs - wanted).max(axis=1))


NEAR = Metric(Objective("near", "how near the answers are", "", True), lambda o, w: np.exp(-distance(o, w)))
LUT = Metric(Objective("lut", "what has a name already"), distance)


def test_a_search_by_a_function_of_ones_own(tmp_path: Path) -> None:
    weight = normal(6, 3)
    data = {name: normal(40, 6, seed=seed) for seed, name in enumerate(("calibration", "validation", "x"))}
    data |= {"y_validation": data["validation"] @ weight, "y": data["x"] @ weight}
    model = graph([node("MatMul", "x w", "y")], {"w": weight}, sample=[6])
    found = sweep(model, data, tmp_path / "s", weights=(2, 8), activations=(8,), metric=distance)
    two, eight = found.records
    assert 0 < eight.figures["distance"] < two.figures["distance"]
    assert found.settings["metric"] == f"{HERE}:distance"
    assert check(tmp_path / "s", two.design.key)["same"]


def test_names_lead_back_to_metrics() -> None:
    assert (name_of("snr"), metric_of("snr")) == ("snr", METRICS["snr"])
    assert name_of(distance) == f"{HERE}:distance"
    made = metric_of(f"{HERE}:distance")
    assert (made.name, made.values, made.objective.more_is_better) == ("distance", distance, False)
    assert metric_of(name_of(NEAR)) is NEAR


def test_what_is_no_metric() -> None:
    def message(name: Any) -> str:
        with pytest.raises(BitwrightError) as refusal:
            metric_of(name) if isinstance(name, str) else name_of(name)
        return str(refusal.value)

    assert message(lambda o, w: o) == (
        f"metric: 'test_what_is_no_metric.<locals>.<lambda>' is found by no name\n  hint: {HINT}"
    )
    assert message(f"{HERE}:HERE") == f"metric '{HERE}:HERE': is a str\n  hint: {HINT}"
    assert message(f"{HERE}:LUT") == (
        f"metric '{HERE}:LUT': is called 'lut'\n  hint: call it otherwise: designs have that figure already"
    )
    assert message(f"{HERE}:gone") == (
        f"metric '{HERE}:gone': cannot be found (KeyError: 'gone')\n  hint: put the folder of its file on PYTHONPATH"
    )
    assert message("no_such_module:f") == (
        "metric 'no_such_module:f': cannot be found (ModuleNotFoundError: No module named 'no_such_module')\n"
        "  hint: put the folder of its file on PYTHONPATH"
    )
    assert message("acuracy").startswith("explore: no metric 'acuracy'\n  hint: there are accuracy, top5, ")
