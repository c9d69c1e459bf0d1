# SPDX-License-Identifier: Apache-2.0
"""The resource model's coefficients from the samples, and how well they tell what was held back.

    python -m benchmarks.fit [--write]

Every fourth random design and all networks are held back. A module takes a sum of its terms (`hardware/modules/`),
each times a coefficient of zero or more, by least squares of the relative errors. With --write the coefficients go to
`bitwright/hardware/area/resources.json`, the errors and the picture to `docs/`. No synthesis tool is needed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks.fit.judge import Pairs, networks, pairs, table
from benchmarks.fit.library import own
from benchmarks.fit.picture import scatter
from benchmarks.fit.samples import Counts, Samples, read
from bitwright.hardware.area.resources import Coefficients
from bitwright.hardware.modules.streams import Part

ROOT = Path(__file__).parents[2]
COEFFICIENTS = ROOT / "bitwright/hardware/area/resources.json"
PICTURE, PAGE = ROOT / "docs/resources.svg", ROOT / "docs/resources.md"
MARKS = "<!-- errors: python -m benchmarks.fit --write -->\n", "<!-- end -->\n"
FEWEST = 10.0
"""Look-up tables or flip-flops of a module below which its error counts as if there were so many."""
FITTED = ("lut", "ff")
SERIES7 = ("mas_lane", "mas_lane_split", "packed_product", "adder_dsp", "adder_shift", "multiplier_dsp")
"""Kinds with DSP slices, in which Yosys places registers and sums on series 7, but not on UltraScale+."""


def main() -> None:
    """Fit, judge, and write if asked to."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--write", action="store_true", help="write the coefficients, the errors and the picture")
    args = asked.parse_args()
    samples = read()
    model = fit(samples)
    held = pairs(samples, model)
    text = table(held, networks(samples, model))
    print(text)
    if args.write:
        training = len(list(samples.training()))
        head = {**samples.tool, "modules": training}
        series7 = swapped(model) | fit_series7(samples)
        families = {"kinds": model, "xcup": {}, "xc7": dict(sorted(series7.items()))}
        COEFFICIENTS.write_text(json.dumps(head | families, indent=1) + "\n", encoding="utf-8")
        PICTURE.write_text(scatter({name: _drawn(held, name) for name in FITTED}), encoding="utf-8")
        _replace(PAGE, text)


def fit(samples: Samples) -> dict[str, Coefficients]:
    """Coefficients for every kind of part of UltraScale+, from the modules that are not held back."""
    return _fitted((own(m.name, m.parameters), m.counted) for m in samples.training())


def fit_series7(samples: Samples) -> dict[str, Coefficients]:
    """Coefficients of the kinds that differ on series 7: its memories have other groups, its slices keep registers."""
    kinds = _fitted((own(m.name, m.parameters, "xc7"), m.series7) for m in samples.training() if m.series7)
    return {kind: terms for kind, terms in kinds.items() if kind in SERIES7}


def _fitted(measured: Iterable[tuple[Part | None, Counts]]) -> dict[str, Coefficients]:
    kinds = defaultdict[str, list[tuple[Part, Counts]]](list)
    for part, counted in measured:
        if part is not None:
            kinds[part.kind].append((part, counted))
    return {
        kind: {which: coefficients(rows, index) for index, which in enumerate(FITTED)}
        for kind, rows in sorted(kinds.items())
    }


def swapped(kinds: Mapping[str, Coefficients]) -> dict[str, Coefficients]:
    """`kinds` with the memory of series 7 in place of that of UltraScale+, where they have any."""
    return {
        kind: {which: {_seven(name): value for name, value in terms.items()} for which, terms in each.items()}
        for kind, each in kinds.items()
        if any(_seven(name) != name for terms in each.values() for name in terms)
    }


def _seven(name: str) -> str:
    return name.replace("xcup_", "xc7_")


def coefficients(rows: Sequence[tuple[Part, Counts]], index: int) -> dict[str, float]:
    """What each term takes of the resource `index`; the term "" is 1 for every module."""
    terms = [{"": 1.0} | dict(part.terms) for part, _ in rows]
    names = sorted({name for each in terms for name in each if not name.startswith("xc7_")})
    matrix = np.array(
        [[part.count * each.get(name, 0.0) for name in names] for (part, _), each in zip(rows, terms, strict=True)]
    )
    counted = np.array([counts[index] for _, counts in rows], dtype=float)
    weight = 1 / np.maximum(counted, FEWEST)
    found, _ = nnls(matrix * weight[:, None], counted * weight)
    return {name: round(float(value), 4) for name, value in zip(names, found, strict=True) if value > 1e-3}


def _drawn(held: Pairs, which: str) -> list[tuple[float, float]]:
    return [(mine[which], theirs[which]) for mine, theirs in held.values()]


def _replace(page: Path, text: str) -> None:
    """Put `text` between the marks of a page."""
    head, rest = page.read_text(encoding="utf-8").split(MARKS[0])
    page.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
