# SPDX-License-Identifier: Apache-2.0
"""Proofs that a form is the requantiser: equal at both ends of every plateau, and monotone in between."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.exact.steps import Steps
from bitwright.ir.weights import Ints

PRODUCT_BITS = 120
"""Bits of m*a + c, sign included: what the C++ types of the host still hold."""


def proved(form: Form, steps: Steps) -> bool:
    """True if `form` gives the codes of `steps` for every channel and every integer in its lo..hi.

    Two functions that rise together and agree at both ends of every plateau of one of them are equal. The form computes
    its values there itself, so nothing about how it was found has to be trusted. A table is compared entry by entry.
    """
    match form:
        case MultiplyShift():
            return fits(form, steps.lo, steps.hi) and _rises(form, steps) and _agrees(form, steps)
        case Thresholds():
            return _sorted(form, steps) and _agrees(form, steps)
        case Lookup():
            return _enumerated(form, steps)
        case _:
            assert_never(form)


def plateau_ends(steps: Steps) -> tuple[Ints, Ints]:
    """(a, codes), both (ends, channels): the first and the last integer of every plateau, with their codes.

    Where two steps coincide the plateau between them is empty; it and the filling of short rows repeat the first end.
    """
    distinct = np.diff(steps.t, axis=1) != 0
    edge = np.ones((len(steps.t), 1), dtype=bool)
    enters = steps.reached & np.hstack((distinct, edge))
    leaves = steps.reached & np.hstack((edge, distinct))
    start, first = steps.start[:, None], steps.first[:, None]
    code = first + steps.step * np.arange(steps.t.shape[1])
    b = np.hstack((start, np.where(enters, steps.t, start), np.where(leaves, steps.t - 1, start), steps.end[:, None]))
    codes = (first, np.where(enters, code + steps.step, first), np.where(leaves, code, first), steps.last[:, None])
    return np.where(steps.falling[:, None], ~b, b).T, np.hstack(codes).T


def _agrees(form: MultiplyShift | Thresholds, steps: Steps) -> bool:
    a, codes = plateau_ends(steps)
    return bool((form.apply(a) == codes).all())


def fits(form: MultiplyShift, lo: Ints, hi: Ints) -> bool:
    """True if m*a + c over lo..hi of each channel stays in the form's product range, and that in hardware's.

    It is linear, so both ends of a suffice.
    """
    rows = zip(form.m.array.tolist(), form.offsets.tolist(), lo.tolist(), hi.tolist(), strict=True)
    values = [m * a + c for m, c, *ends in rows for a in ends]
    inside = form.product.lo <= min(values) and max(values) <= form.product.hi
    return inside and form.product.bits <= PRODUCT_BITS and 0 <= form.s <= PRODUCT_BITS


def _rises(form: MultiplyShift, steps: Steps) -> bool:
    """True if the form never falls in the coordinate b of `steps`: 0 <= window <= m.

    The tie fix-up keeps u >> s from falling because then only the first point of one of its plateaus can lie in the
    window, and one less there is still no less than the plateau before.
    """
    m = np.where(steps.falling, -form.m.array, form.m.array)
    return bool(((form.window.array >= 0) & (form.window.array <= m)).all())


def _sorted(form: Thresholds, steps: Steps) -> bool:
    same_side = (form.falling.array != 0) == steps.falling
    return bool((np.diff(form.t.array, axis=1) >= 0).all()) and bool((same_side | (steps.count == 0)).all())


def _enumerated(form: Lookup, steps: Steps) -> bool:
    low, high = int(steps.lo.min()), int(steps.hi.max())
    if low < form.lo or high >= form.lo + form.entries.array.size:
        return False
    a = np.clip(np.arange(low, high + 1)[:, None], steps.lo, steps.hi)
    return bool((form.apply(a) == steps.apply(a)).all())
