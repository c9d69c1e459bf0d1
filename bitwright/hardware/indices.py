# SPDX-License-Identifier: Apache-2.0
"""Which events of a sequence: as a range where they are evenly apart, which takes no memory and no time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.weights import Ints

Indices = range | Ints
"""Ascending places in an array."""
WIDE = np.dtype(np.int64)


def lean(places: NDArray[Any]) -> Indices:
    """`places` as a range if they are evenly apart, else in as few bits as they need."""
    if places.size == 0:
        return range(0)
    first, last = int(places[0]), int(places[-1])
    step = (last - first) // max(places.size - 1, 1) or 1
    even = range(first, first + step * places.size, step)
    if even[-1] == last and np.array_equal(places, values(even)):
        return even
    return places.astype(np.int32) if first >= -(2**31) and last < 2**31 else places


def values(places: Indices, kind: np.dtype[Any] = WIDE) -> NDArray[Any]:
    """`places` as an array of numbers of this kind."""
    if isinstance(places, range):
        return np.arange(places.start, places.stop, places.step, dtype=kind)
    return places.astype(kind, copy=False)


def where(places: Indices) -> slice | NDArray[Any]:
    """`places`, none below 0, as what an array is asked with."""
    return slice(places.start, places.stop, places.step) if isinstance(places, range) else places


def shifted(places: Indices, by: int) -> Indices:
    """`places`, each `by` more."""
    if isinstance(places, range):
        return range(places.start + by, places.stop + by, places.step)
    return np.asarray(places + by)


def mirrored(places: Indices, last: int) -> Indices:
    """`places` counted back from `last`, ascending."""
    if isinstance(places, range):
        turned = places[::-1]
        return range(last - turned.start, last - turned.stop, -turned.step)
    return np.asarray((last - places)[::-1])


def before(places: Indices, count: int, size: int) -> Indices:
    """For each of `places`, which every frame of `size` has, the one that stands `count` places before it."""
    if isinstance(places, range) and len(places) * places.step == size:
        return shifted(places, -count * places.step)
    frames, of = np.divmod(np.arange(len(places)) - count, len(places))
    return lean(values(places)[of] + frames * size)


def by_frame(places: Indices, size: int) -> Iterator[tuple[int, slice, Indices]]:
    """(frame, which of them, places in that frame) for each frame of `size` that some of `places` lie in."""
    if not len(places):
        return
    for frame in range(int(places[0]) // size, int(places[-1]) // size + 1):
        among = slice(_first_from(places, frame * size), _first_from(places, (frame + 1) * size))
        if among.start < among.stop:
            yield frame, among, shifted(places[among], -frame * size)


def _first_from(places: Indices, place: int) -> int:
    """How many of `places` lie before `place`."""
    if isinstance(places, range):
        return min(max(-((places.start - place) // places.step), 0), len(places))
    return int(np.searchsorted(places, place))
