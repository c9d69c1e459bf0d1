# SPDX-License-Identifier: Apache-2.0
"""The checker's proof in one step is the comparison of every code, and it holds for more codes than can be listed."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest

import bitwright as bw
from bitwright.check import check
from bitwright.check.closed import Claimed, Meant, agree, runs
from bitwright.exact.closed import closed_forms
from bitwright.exact.meaning import limits
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import steps
from bitwright.ir.files import to_bytes
from bitwright.ir.layers import Rounding
from bitwright.sim.engines import ENGINES
from tests.exact.meaning import meaning, random_layer

RULED = [rounding for rounding in Rounding if rounding not in (Rounding.SIGN, Rounding.LEVELS)]


@pytest.mark.parametrize("rounding", RULED)
def test_agreement_is_the_comparison_of_every_code(rounding: Rounding) -> None:
    random = Random(f"check closed {rounding}")
    verdicts, counted = Counter[bool](), 0
    for _ in range(150):
        layer, lo, hi = random_layer(random, rounding)
        ruled, low, high = Ruled(layer, lo, hi), *limits(layer)
        plateaus = steps(layer, lo, hi).plateaus
        slopes = layer.slope.each(layer.channels) if layer.slope else [Fraction(1)] * layer.channels
        for form in closed_forms(ruled):
            for ch in range(layer.channels):
                m, b, shift = (
                    layer.multiplier.each(layer.channels)[ch],
                    layer.offset.each(layer.channels)[ch],
                    layer.shift,
                )
                meant = Meant(str(rounding), m, b, slopes[ch], int(low[ch]) - shift, int(high[ch]) - shift, shift)
                interval, y = (int(lo[ch]), int(hi[ch])), lambda a, ch=ch, layer=layer: meaning(layer, ch, a)
                number = runs(meant, y, interval)
                assert number in (None, plateaus[ch]), (layer, lo, hi, ch)
                counted += number is not None
                own = [int(array[ch]) for array in (form.m.array, form.offsets, form.window.array)]
                for place, change in ((0, 0), (0, 1), (1, -1), (1, 1), (2, 1), (2, -1), (1, 1 << form.s)):
                    numbers = [n + change * (i == place) for i, n in enumerate(own)]
                    claimed = Claimed(*numbers, int(low[ch]), int(high[ch]), form.s, form.odd)
                    known = y(interval[0]) != y(interval[1]) and 0 <= claimed.window <= 1 << form.s
                    same = all(y(a) == code(claimed, a) for a in range(interval[0], interval[1] + 1))
                    assert agree(meant, claimed, y, interval) == (known and same), (meant, claimed, interval)
                    verdicts[known and same] += 1
    assert min(verdicts.values()) > 40
    assert counted > 40 or rounding is Rounding.FROM_ZERO


def code(line: Claimed, a: int) -> int:
    """What the hardware gives."""
    u = line.m * a + line.c
    y = u >> line.s
    if u % (1 << line.s) < line.window and (y - line.odd) % 2:
        y -= 1
    return min(max(y, line.low), line.high)


def wide() -> bw.Graph:
    """More codes than are listed: 600 channels of 16 bits."""
    net = bw.Net()
    weights = np.random.default_rng(0).integers(-128, 128, size=(600, 3))
    sums = net.dense(net.input("x", (3,), "s16"), weights)
    scales = [Fraction(1, 300 + n) for n in range(600)]
    net.rescale(sums, "s16", multiplier=scales, offset=[Fraction(1, 3)] * 600)
    return net.graph()


def test_more_codes_than_are_listed_are_computed_compiled_and_proved_twice(tmp_path: Path) -> None:
    graph = wide()
    x = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, size=(5, 3))
    by_hand = [
        [min(max(round(int(acc) * Fraction(1, 300 + n) + Fraction(1, 3)), -(1 << 15)), (1 << 15) - 1) for n, acc in row]
        for row in map(enumerate, x @ graph.layers[0].weights.array.T)
    ]
    for engine in ("reference", "fast"):
        outcome = ENGINES[engine].build(graph, None).run([x])
        np.testing.assert_array_equal(outcome.outputs[0], by_hand)
    assert outcome.counts == {}, "no engine stood in"
    lines = bw.compile(graph).certificate
    (tmp_path / "graph.bw").write_bytes(to_bytes(graph))
    place = tmp_path / "certificate.json"
    place.write_text(json.dumps(lines))
    assert all(verdict.ok for verdict in check(tmp_path))
    lines[-1]["c"][17] = 0
    place.write_text(json.dumps(lines))
    (verdict,) = (verdict for verdict in check(tmp_path) if not verdict.ok)
    assert verdict.layer == graph.layers[-1].name
    assert verdict.reason.startswith("channel 17: at ")
