# SPDX-License-Identifier: Apache-2.0
"""What groups of weights and tensors err together: fewer runs, and none of what errors do to each other in a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bitwright.compress.allocate.error import measured_at
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import Term, Widths


def by_group(sensing: Sensing) -> Iterator[Term]:
    """Each width of the first, the inner and the last weights, and of tensors likewise, measured at once for a group.

    Shin, Hwang, Sung: "Fixed-point performance analysis of recurrent neural networks", ICASSP 2016, arXiv 1512.01322;
    R009. All others are as wide as they can be; what a group errs is shared alike among its members.
    """
    wide = {name: max(widths) for name, widths in sensing.offered.items()}
    least = measured_at(sensing, wide, frozenset())
    yield Term((), {(): {sensing.kind: least}})
    for names in _groups(sensing):
        every = sorted({bits for name in names for bits in sensing.offered[name]})
        brought = {bits: _brought(sensing, wide, names, bits, least) for bits in every}
        for name in names:
            yield Term((name,), {(bits,): {sensing.kind: brought[bits]} for bits in sensing.offered[name]})


def _brought(sensing: Sensing, wide: Widths, names: tuple[str, ...], bits: int, least: float) -> float:
    """What each of a group errs when all are of a width."""
    widths = {name: bits for name in names if bits in sensing.offered[name]}
    if all(wide[name] == bits for name in widths):
        return 0.0
    return max(measured_at(sensing, {**wide, **widths}, frozenset(widths)) - least, 0.0) / len(widths)


def _groups(sensing: Sensing) -> Iterator[tuple[str, ...]]:
    """The names that are measured together."""
    choices: Mapping[str, object]
    for choices in (sensing.choices.weights, sensing.choices.acts):
        names = tuple(name for name in choices if name in sensing.offered)
        yield from (part for part in (names[:1], names[1:-1], names[1:][-1:]) if part)


SENSITIVITIES = {"by-group": by_group}
