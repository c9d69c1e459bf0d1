# SPDX-License-Identifier: Apache-2.0
"""The price of a design: one currency, one place that asks the model of resources, rates as they are written down."""

from __future__ import annotations

from pathlib import Path

import pytest

import bitwright
from bitwright.hardware.area.resources import Resources
from bitwright.planning import price as module
from bitwright.planning.devices import Budget
from bitwright.planning.price import KINDS, Price, Scale, scale_of

ROOT = Path(bitwright.__file__).parent
HELD = Budget(lut=100, ff=200, dsp=10, bram=0)


def priced(scale: Scale, **used: int) -> Price:
    return Price({"a": Resources(**used), "b": Resources(lut=1)}, Resources(ff=2), 7, scale)


def test_the_cost_is_the_sum_of_the_shares() -> None:
    found = priced(Scale(HELD, "a part"), lut=9, dsp=5)
    assert found.total == Resources(lut=10, ff=2, dsp=5)
    assert found.shares == {"lut": 0.1, "ff": 0.01, "dsp": 0.5, "bram": 0.0, "uram": 0.0}
    assert found.cost == pytest.approx(61)


@pytest.mark.parametrize(
    ("used", "over"),
    [
        ({"lut": 99, "dsp": 10}, ""),
        ({"lut": 100}, "lut"),
        ({"lut": 150, "dsp": 30}, "dsp"),
        ({"bram": 1}, "bram"),
    ],
)
def test_what_is_over_is_what_there_is_least_enough_of(used: dict[str, int], over: str) -> None:
    assert priced(Scale(HELD, "a part"), **used).over == over
    assert priced(Scale(HELD), **used).over == "", "nothing limits a design for no part"


def test_what_is_reserved_is_no_part_of_the_limits() -> None:
    assert Scale(HELD, "a part", reserved=(10, 20, 1, 0, 0)).limits == (90, 180, 9, 0, 0)
    assert Scale(HELD, reserved=(10, 20, 1, 0, 0)).limits is None


def test_the_rates_without_a_part_are_those_that_are_written_down() -> None:
    scale = scale_of(None)
    rates = dict(zip(KINDS, scale.worth(scale.budget.lut), strict=True))
    assert {kind: round(rate, 1) for kind, rate in rates.items()} == {
        "lut": 1.0,
        "ff": 0.5,
        "dsp": 241.8,
        "bram": 190.0,
        "uram": 0.0,
    }
    said = "a DSP is then\nworth 242 LUTs, a block RAM of 18 kbit 190, and a flip-flop half a LUT"
    assert said in (module.__doc__ or "")
    assert scale_of("xcvc1902").budget == scale.budget, "no cells of the family are fitted"


def test_nothing_else_asks_what_hardware_takes() -> None:
    asks = [path for path in ROOT.rglob("*.py") if "hardware.area.resources import" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(ROOT).as_posix() for path in asks] == ["planning/price.py"]
