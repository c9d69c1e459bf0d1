# SPDX-License-Identifier: Apache-2.0
"""The forms in which hardware can compute a requantiser: those proved equal to its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from bitwright.exact.closed import closed_forms, closed_proved
from bitwright.exact.forms import INT64_BITS, Form, Lookup, MultiplyShift, Thresholds
from bitwright.exact.lines import multiply_shifts
from bitwright.exact.meaning import limits
from bitwright.exact.proof import PRODUCT_BITS, proved
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import MAX_STEPS, Steps, spans, steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.weights import Ints, Weights

MAX_THRESHOLDS = 1023
"""Steps per channel that are still searched: 10-bit codes."""
LINES = (Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_UP, Rounding.HALF_DOWN, Rounding.HALF_EVEN)
"""Roundings that are the same on both sides of zero."""
MAX_TABLE = 1 << 12
"""Entries of a table in place of arithmetic."""
LISTED_AT_ONCE = 1 << 19
"""Steps of one layer that are listed without asking whether a line of so many codes can do without."""

Codes = Steps | Ruled
"""The codes of a requantiser: steps that are listed, or the rounded line itself."""
UNRULED = (Rounding.LEVELS, Rounding.SIGN)
"""Roundings that are no line."""


def codes(layer: Requantise, lo: Ints, hi: Ints) -> Codes:
    """The codes of `layer` over the integers lo..hi of each channel, (channels,) each."""
    return Ruled(layer, lo, hi) if _only_line(layer, lo, hi) or not listed(layer, lo, hi) else steps(layer, lo, hi)


def listed(layer: Requantise, lo: Ints, hi: Ints) -> bool:
    """True if the steps of `layer` are few enough to be listed, or if they can be had in no other way."""
    low, high = limits(layer)
    few = int((high - low).max()) * len(low) <= MAX_STEPS
    return few or layer.rounding in UNRULED or int(Ruled(layer, lo, hi).count.max()) * len(low) <= MAX_STEPS


def _only_line(layer: Requantise, lo: Ints, hi: Ints) -> bool:
    """True if neither comparisons nor a table can be `layer`, and its steps are many: a line is proved without them."""
    low, high = limits(layer)
    rough = int((high - low).max())
    if layer.rounding in UNRULED or rough <= MAX_THRESHOLDS or rough * len(low) <= LISTED_AT_ONCE:
        return False
    most = int(spans(layer, lo, hi).max())
    return most > MAX_THRESHOLDS and most * len(low) > LISTED_AT_ONCE and int(hi.max()) - int(lo.min()) >= MAX_TABLE


def forms(layer: Requantise, lo: Ints, hi: Ints) -> tuple[Form, ...]:
    """Every form that equals `layer` in every channel c for every integer lo[c]..hi[c]; `planning` has their price.

    Products beyond int64 are used only where there is nothing shorter.

    BitwrightError names the layer if there is none.
    """
    found = codes(layer, lo, hi)
    proofs = _proofs(layer, found)
    if not proofs and isinstance(found, Ruled) and listed(layer, lo, hi):
        proofs = _proofs(layer, steps(layer, lo, hi))
    if not proofs:
        raise BitwrightError(
            f"no multiply-add-shift within {PRODUCT_BITS} bits equals its {int(found.count.max()) + 1} codes",
            where=f"layer '{layer.name}'",
            hint=f"quantise its output to at most {MAX_THRESHOLDS + 1} codes",
        )
    narrow = [form for form in proofs if not isinstance(form, MultiplyShift) or form.product.bits <= INT64_BITS]
    return tuple(narrow or proofs)


def refusal(layer: Requantise, lo: Ints, hi: Ints) -> BitwrightError | None:
    """Why `layer` has no form, found without the search where theorem 3 of `docs/exactness.md` says that it has one."""
    counts = spans(layer, lo, hi)
    wide = 2 * int((hi - lo).max()).bit_length() + int(counts.max()).bit_length() + 2
    line = layer.rounding in LINES and not layer.slope and wide <= PRODUCT_BITS
    few = int(counts.max()) <= MAX_THRESHOLDS or line
    if few and int(counts.max()) * len(counts) <= MAX_STEPS:
        return None
    try:
        forms(layer, lo, hi)
    except BitwrightError as error:
        return error
    return None


def equals(form: Form, found: Codes) -> bool:
    """True if `form` gives the codes of `found` for every channel and every integer in its lo..hi."""
    match found:
        case Steps():
            return proved(form, found)
        case Ruled():
            return isinstance(form, MultiplyShift) and closed_proved(form, found)
        case _:
            assert_never(found)


def _proofs(layer: Requantise, found: Codes) -> list[Form]:
    tried = candidates(layer, found) if isinstance(found, Steps) else closed_forms(found)
    return [form for form in tried if equals(form, found)]


def candidates(layer: Requantise, found: Steps) -> Iterator[Form]:
    """Forms that should be equal to `layer`, whose steps are `found`; none is proved yet."""
    yield from multiply_shifts(layer, found)
    if found.t.shape[1] <= MAX_THRESHOLDS:
        yield thresholds(layer, found)
    if table := lookup(found):
        yield table


def thresholds(layer: Requantise, found: Steps) -> Thresholds:
    """The steps themselves; one over several codes, as of a sign that is not bipolar, stands once for each of them."""
    step = found.step if layer.type.is_bipolar else 1
    return Thresholds(
        kind="thresholds",
        t=Weights(np.repeat(found.t, found.step // step, axis=1)),
        falling=Weights(found.falling.astype(np.int64)),
        first=Weights(found.first),
        step=step,
    )


def lookup(found: Steps) -> Lookup | None:
    """One table for all channels, if they agree wherever their intervals meet and the whole is short."""
    low, high = int(found.lo.min()), int(found.hi.max())
    if high - low >= MAX_TABLE:
        return None
    widest = int((found.hi - found.lo).argmax())
    a = np.arange(low, high + 1)[:, None]
    channel = found.take(np.array([widest]))
    return Lookup(kind="table", lo=low, entries=Weights(channel.apply(np.clip(a, channel.lo, channel.hi))[:, 0]))
