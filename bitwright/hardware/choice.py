# SPDX-License-Identifier: Apache-2.0
"""What was decided of each layer: all that lowering follows. `planning.decide` makes it of what a plan asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwright.exact.forms import Factors, Form
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.base import Memory
from bitwright.hardware.schedule import Zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """An input of the network: elements in one beat."""

    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A layer with weights: output lanes, input lanes, where its weights live, how it multiplies.

    `zeros` says what becomes of weights that are zero; `moves`: its rows may then change places. `alone`: the last
    windows of a frame leave a parallel window without the next frame's beats.
    """

    pe: int
    simd: int
    memory: Memory
    style: Style
    zeros: Zeros = "multiply"
    moves: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A pool: channels in one beat."""

    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A layer without lanes of its own: it takes those that come, or more if data would move more slowly than the pace.

    `form` is that of a requantiser or a table, `factors` those of a sum that is computed with shorter ones; `pace` is
    in clocks per frame, 0 for none.
    """

    form: Form | None = None
    factors: Factors | None = None
    pace: int = 0


LayerChoice = Entering | Folded | Pooled | Wired
Choices = Mapping[str, LayerChoice]
"""Of every layer and input of a graph, by its name."""
