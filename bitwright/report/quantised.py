# SPDX-License-Identifier: Apache-2.0
"""What `quantize` says of a network that it made: as a value with a version, and as the table that closes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bitwright.ir.errors import printable
from bitwright.report.allocated import candidates, certified
from bitwright.report.show import rows

VERSION = 3
"""Of `quantize --json` and of `quantize.json`."""
ENOUGH = 0.95
"""The agreement with the float network below which a warning is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """A layer: types and scales of its weights and of what it reads, the signal of its output over the noise in dB.

    `weight_bits` is the mean over the weights; a scale is "free" or "po2". What a layer reads has no type where no
    quantiser stands before it. `clipped` is the share of its values that the quantiser clips.
    """

    name: str
    op: str
    weights: str
    weight_bits: float
    weight_scale: str
    per_channel: bool
    input: str
    activations: str | None
    activation_bits: int | None
    activation_scale: str | None
    clipped: float | None
    signal_to_noise: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRow:
    """A quantiser of activations; `zero` says that its zero point is not zero."""

    name: str
    type: str
    bits: int
    scale: str
    zero: bool
    clipped: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about the data that the user should know: where, what, and what can be done."""

    where: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseReport:
    """A network that was quantised: how, and how near it is to the float one.

    The accuracies are those of `scored` labelled samples, where the data file has them. `agreement` is the share of
    `compared` samples with the same highest score, where the network gives scores, else the share of the outputs'
    variance that is no difference. `allocation` says how widths were chosen within a budget, where there was one.
    """

    model: str
    file: str
    samples: int
    options: Mapping[str, Any]
    scored: int
    float_accuracy: float | None
    accuracy: float | None
    agreement_of: str
    agreement: float
    compared: int
    layers: tuple[LayerRow, ...]
    tensors: tuple[TensorRow, ...]
    findings: tuple[Finding, ...] = ()
    allocation: Mapping[str, Any] | None = None
    version: int = field(default=VERSION)

    @property
    def warnings(self) -> list[str]:
        """What should not be overlooked."""
        said = [f"{finding.where} {finding.what}; {finding.hint}" for finding in self.findings]
        if self.agreement >= ENOUGH:
            return said
        what = "the samples" if self.agreement_of == "scores" else "what the outputs vary by"
        agrees = f"agrees with the float network on {percent(self.agreement)} of {what} only"
        return [*said, f"{agrees}; try more bits (--config for single layers)"]

    def result(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"version": self.version, **asdict(self), "warnings": self.warnings}


def closing(report: QuantiseReport) -> RenderableType:
    """What the command ends with: the float network's own figure, the layers, how far both agree, what was found.

    Where there was a budget, also how widths were chosen within it.
    """
    keys = {
        "name": "layer",
        "op": "op",
        "weights": "weights",
        "activations": "input",
        "scale": "scale",
        "signal_to_noise": "signal/noise dB",
        "clipped": "clipped",
    }
    layers = [cells(row) for row in report.layers]
    parts: list[RenderableType] = [Text(line) for line in first(report)]
    if report.allocation is not None:
        parts += [candidates(report.allocation), *(Text(line) for line in certified(report.allocation))]
    parts.append(rows(f"{report.model}: {samples(report.samples)}", keys, layers))
    parts += [Text(printable(line)) for line in last(report)]
    return Group(*parts)


def first(report: QuantiseReport) -> Iterator[str]:
    """The line of the float network's own accuracy."""
    if report.float_accuracy is not None:
        yield f"float network: accuracy {percent(report.float_accuracy)} of {samples(report.scored)}"


def last(report: QuantiseReport) -> Iterator[str]:
    """The lines of how good the quantised network is, and of what was found."""
    if report.accuracy is not None:
        yield f"quantised network: accuracy {percent(report.accuracy)}"
    of = "same highest score" if report.agreement_of == "scores" else "of the outputs' variance"
    yield f"agreement with the float network: {percent(report.agreement)} ({of}, {samples(report.compared)})"
    yield from (f"warning: {warning}" for warning in report.warnings)


def cells(row: LayerRow) -> dict[str, str | None]:
    """A layer as people read it."""
    kinds = {row.weight_scale, row.activation_scale or row.weight_scale}
    scale = kinds.pop() if len(kinds) == 1 else f"{row.weight_scale}, input {row.activation_scale}"
    return {
        "name": row.name,
        "op": row.op,
        "weights": row.weights,
        "activations": row.activations or "real",
        "scale": scale + (" per channel" if row.per_channel else ""),
        "signal_to_noise": "exact" if row.signal_to_noise is None else f"{row.signal_to_noise:.1f}",
        "clipped": None if row.clipped is None else f"{100 * row.clipped:.2f} %",
    }


def samples(count: int) -> str:
    """So many samples as people read it."""
    return f"{count:,} sample{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.2f} %"
