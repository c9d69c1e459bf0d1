# SPDX-License-Identifier: Apache-2.0
"""The table of a network: what each width errs and costs, and what measures a design of the widths chosen by it.

found = table(net, calibration, bits=range(2, 9), cycles=2000, part="xc7z020")
best = allocate(found, budget={"lut": 9000})
best.state.save("mixed.onnx")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress import Calibration, FloatNet, Options, State, calibrate, check_arrays
from bitwright.compress.allocate import SENSITIVITIES, SENSITIVITY, Ledger, Term, Widths
from bitwright.compress.allocate.error import Judge, judge
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import Amounts, joined
from bitwright.compress.choices import Choices, choose
from bitwright.compress.config import Config
from bitwright.compress.options import WIDTHS, Given
from bitwright.compress.quantise import Configured, quantised_by, rules_of
from bitwright.explore.evaluate import weight_memory
from bitwright.explore.menus import permitted, widths_of
from bitwright.explore.pricing import Pricing, price_of, priced
from bitwright.ir.errors import BitwrightError
from bitwright.ir.kept import Kept
from bitwright.ir.stages import begins
from bitwright.planning.target import Target
from bitwright.sim.engines import ENGINES, best
from bitwright.sim.whole import outputs

Array = NDArray[Any]
T = TypeVar("T")
BITS = range(2, 9)
STATES = 8
"""Networks that are held, of those that were tried last."""


@dataclass(frozen=True)
class Tabled:
    """A table of a calibrated network, and what measures a design of the widths that are chosen by it."""

    table: Ledger
    calibration: Calibration
    choices: Choices
    options: Options
    target: Target
    measure: Judge
    _states: Kept[State] = field(default_factory=lambda: Kept(STATES), repr=False)
    _errors: dict[tuple[int, ...], float] = field(default_factory=dict, repr=False)
    _figures: dict[tuple[int, ...], dict[str, float]] = field(default_factory=dict, repr=False)

    @property
    def error(self) -> str:
        """What its errors are: `kl`, `noise` or `loss`."""
        return self.measure.kind

    @cached_property
    def sensing(self) -> Sensing:
        """What is known of the network beside its table."""
        return Sensing(
            calibration=self.calibration,
            choices=self.choices,
            options=self.options,
            offered=self.table.widths,
            kind=self.error,
            arrays=self.measure.arrays,
            errs=lambda state: error_of(state, self.measure),
            labels=self.measure.labels,
        )

    def state(self, widths: Widths) -> State:
        """The network of these widths, quantised as it will be."""
        key = tuple(widths[name] for name in self.table.widths)
        return self._states.get(key, lambda: self._state(widths))

    def _state(self, widths: Widths) -> State:
        return quantised_by(self.choices.at(widths), self.calibration, self.options)

    def errs(self, widths: Widths) -> float:
        """The error of these widths: the integers run on the samples."""
        return self._known(widths, self._errors, self._error)

    def measured(self, widths: Widths) -> dict[str, float]:
        """The figures of these widths, the design compiled."""
        return self._known(widths, self._figures, self._measured)

    def around(self, widths: Widths) -> Ledger:
        """The table of a design's neighbours, a step to either side: errors measured beside it, prices as they were.

        Errors that add up from where all are wide need not where many are narrow; beside a design they nearly do.
        """
        beside = {name: _beside(offered, widths[name]) for name, offered in self.table.widths.items()}
        base = self.errs(widths)
        errors = [Term((), {(): {self.error: base}})]
        for name, few in beside.items():
            rows: dict[tuple[int, ...], Amounts] = {
                (bits,): {self.error: self.errs({**widths, name: bits}) - base} for bits in few
            }
            errors.append(Term((name,), rows))
        prices = [_among(term, beside, self.error) for term in self.table.terms]
        weights, tensors = ({name: beside[name] for name in part} for part in self.table.parts)
        return Ledger(weights, tensors, joined([*errors, *prices]))

    def _known(self, widths: Widths, known: dict[tuple[int, ...], T], find: Callable[[Widths], T]) -> T:
        key = tuple(widths[name] for name in self.table.widths)
        if key not in known:
            known[key] = find(widths)
        return known[key]

    def _error(self, widths: Widths) -> float:
        return error_of(self.state(widths), self.measure)

    def _measured(self, widths: Widths) -> dict[str, float]:
        graph = self.state(widths).graph()
        found = {**self.table.predict(widths), **priced(price_of(graph, self.target)), self.error: self.errs(widths)}
        return found | {"weight_bits": float(weight_memory(graph))}


def table(
    model: str | Path | bytes | onnx.ModelProto | FloatNet | Calibration,
    data: Array | Sequence[Array] = (),
    *,
    bits: Iterable[int] | str = BITS,
    activation_bits: Iterable[int] | None = None,
    validation: Array | Sequence[Array] | None = None,
    labels: Array | None = None,
    error: str = "",
    sensitivity: str = SENSITIVITY,
    cycles: int | None = None,
    fps: float | None = None,
    clock_ns: float = 10.0,
    part: str | None = None,
    config: Configured = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **options: Unpack[Given],
) -> Tabled:
    """What each width of each weight and of each quantised tensor errs and costs in the design for a target.

    `bits` are the widths to choose from, or a key of `MENUS`, `activation_bits` those of tensors where they are others.
    Rules of a `config`
    that give something a width leave it no choice. The error, a key of `ERRORS`, is measured on `validation` (the
    calibration data, if there is none; `labels` for a loss), with the codes chosen as `options` say; `sensitivity`, a
    key of `SENSITIVITIES`, is how that of single widths is found. `cycles`, `fps`, `clock_ns` and `part` are those of
    `compile`, which prices every design of one width each; `progress(done, total)` is called after each of those.
    """
    if sensitivity not in SENSITIVITIES:
        hint = f"choose {' or '.join(SENSITIVITIES)}"
        raise BitwrightError(f"no sensitivity '{sensitivity}'", where="allocate", hint=hint)
    target = Target(cycles=cycles, fps=fps, clock_ns=clock_ns, part=part)
    if isinstance(bits, str) and activation_bits is None:
        activation_bits = permitted(bits, "activations", WIDTHS["activations"][-1])
    weights = _widths(widths_of(bits))
    tensors = weights if activation_bits is None else _widths(activation_bits)
    calibration = model if isinstance(model, Calibration) else calibrate(model, _arrays(data))
    net, rules = calibration.net, rules_of(config)
    ends = [_chosen(calibration, rules, end(weights), end(tensors), options) for end in (min, max)]
    choices = ends[1]
    arrays = calibration.data if validation is None else _arrays(validation)
    check_arrays(net.inputs, arrays, "validation data")
    measure = judge(net, arrays, labels, error)
    offered = Ledger(
        {n: _offered(weights, ends[0].weights[n].bits, c.bits) for n, c in choices.weights.items() if not net.given(n)},
        {n: _offered(tensors, ends[0].acts[n].bits, c.bits) for n, c in choices.acts.items()},
        (),
    )
    chosen = Options(**options)
    begins("pricing widths")
    prices = list(Pricing(calibration, choices, target).terms(offered, progress))
    begins("measuring widths")
    found = Tabled(offered, calibration, choices, chosen, target, measure)
    terms = joined([*prices, *_sensed(found.sensing, sensitivity)])
    return replace(found, table=replace(offered, terms=terms))


def _sensed(sensing: Sensing, sensitivity: str) -> Iterator[Term]:
    """The error that widths bring; what the sensitivity leaves out is found by the default."""
    said = list(SENSITIVITIES[sensitivity](sensing))
    yield from said
    names = {name for term in said for name in term.names}
    rest = {name: widths for name, widths in sensing.offered.items() if name not in names}
    if rest:
        yield from SENSITIVITIES[SENSITIVITY](replace(sensing, offered=rest))


def error_of(state: State, measure: Judge) -> float:
    """The error of a network: its integers run on the samples."""
    graph, arrays = state.graph(), measure.arrays
    engine = ENGINES[best(graph.macs * len(arrays[0]))].build(graph, None)
    return measure(outputs(graph, dict(zip(graph.entry.inputs, arrays, strict=True)), engine))


def _beside(offered: Sequence[int], bits: int) -> tuple[int, ...]:
    place = offered.index(bits)
    return tuple(offered[max(place - 1, 0) : place + 2])


def _among(term: Term, offered: Mapping[str, tuple[int, ...]], error: str) -> Term:
    """A term of fewer widths, without the error."""
    kept = set(product(*(offered[name] for name in term.names)))
    rows = {key: amounts for key, amounts in term.amounts.items() if key in kept}
    return Term(term.names, {k: {n: x for n, x in amounts.items() if n != error} for k, amounts in rows.items()})


def _chosen(calibration: Calibration, rules: Config | None, weights: int, tensors: int, options: Given) -> Choices:
    """The choices where everything is as wide as it is asked to be."""
    asked: Given = {**options, "weights": weights, "activations": tensors}
    return choose(calibration.net, calibration.unsigned, Options(**asked), rules)


def _offered(widths: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """What can be chosen from: all, or the one that a rule gives."""
    return widths if (low, high) == (widths[0], widths[-1]) else (high,)


def _widths(bits: Iterable[int]) -> tuple[int, ...]:
    found = tuple(sorted(set(bits)))
    for each in found:
        Options(weights=each)
    if not found:
        raise BitwrightError("no widths to choose from", where="allocate", hint="give at least one")
    return found


def _arrays(data: Array | Sequence[Array]) -> Sequence[Array]:
    return [data] if isinstance(data, np.ndarray) else list(data)
