# SPDX-License-Identifier: Apache-2.0
"""The cells in which families of parts differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Family = Literal["xcup", "xc7"]
"""UltraScale+, whose cells UltraScale has too, and series 7."""
DSP_BITS: Mapping[Family, tuple[int, int]] = {"xcup": (27, 18), "xc7": (25, 18)}
"""Signed factors of one DSP slice: DSP48E2, DSP48E1."""
EVERY_DSP_BITS = min(DSP_BITS.values())
"""Signed factors that the DSP slices of every family multiply."""
