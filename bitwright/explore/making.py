# SPDX-License-Identifier: Apache-2.0
"""From a design to what it stands for: a quantised network, and the target that it is compiled for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bitwright.compress import Calibration, Options, State
from bitwright.compress.ahead import Ahead
from bitwright.compress.choices import OF_ACTS, OF_WEIGHTS, Choices, choose
from bitwright.compress.config import Config
from bitwright.compress.prune import Pattern, Zeroing
from bitwright.compress.quantise import nearest, quantised_by
from bitwright.explore.axes import OF_NETWORK, OF_ZEROS, aimed, check_axes, pairs_of
from bitwright.explore.space import Axis, Design, Space, Value
from bitwright.explore.tuning import Tuning
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

WHOLE = Pattern(0.0)
AHEAD, EACH = "ahead", "each"
CODES = (AHEAD, EACH)
"""When a search chooses the codes of weights: once for each choice, or for each design by what its layers make."""


@dataclass(frozen=True)
class Made:
    """What a design stands for.

    `widths` are the bits of each weight and of each quantised tensor, by its name; `patterns` the zeros that were put
    into each weight; `target` is what `compile` is asked for.
    """

    state: State
    widths: Mapping[str, int]
    patterns: Mapping[str, Pattern]
    target: Target

    @property
    def zeros(self) -> dict[str, float]:
        """The share of each weight that was taken out of it."""
        return {name: pattern.share for name, pattern in self.patterns.items()}


@dataclass(frozen=True)
class Maker:
    """What makes the designs of a space from one calibrated network; axes go over `rules`, and these over `options`.

    With `tuning` the network of each design is trained on; what hardware takes of it is that of the network before.
    `codes`, one of `CODES`, says how those of weights are chosen while many designs are looked at.

    BitwrightError if the space has an axis that the network cannot have.
    """

    space: Space
    calibration: Calibration
    options: Options = field(default_factory=Options)
    target: Target = field(default_factory=Target)
    rules: Config | None = None
    tuning: Tuning | None = None
    codes: str = AHEAD

    def __post_init__(self) -> None:
        check_axes(self.space, self._known)

    @cached_property
    def plain(self) -> Choices:
        """How all that no axis is about is quantised."""
        found = choose(self.calibration.net, self.calibration.unsigned, self.options, self.rules)
        came = self.calibration
        if not came.codes:
            return found
        acts = {name: act for name, act in found.acts.items() if name in came.quantisers}
        return Choices(found.weights, acts).at(self.most)

    @cached_property
    def most(self) -> Mapping[str, int]:
        """The bits of weights and tensors that came as codes, and can only become narrower."""
        codes, quantisers = self.calibration.codes, self.calibration.quantisers
        coded = {name: _bits(each.type) for name, each in codes.items()}
        return coded | {name: each.type.bits for name, each in quantisers.items()}

    @cached_property
    def given(self) -> Mapping[str, int]:
        """The bits of weights that came as codes, and keep them."""
        net = self.calibration.net
        coded = ((layer.weight, net.given(layer.weight)) for layer in net.layers)
        return {name: _bits(given.type) for name, given in coded if given is not None}

    def made(self, design: Design) -> Made:
        """The network of a design."""
        choices, patterns = self.choices(design), self.patterns(design)
        _check_signs(choices, patterns)
        zeroing, widths = self._zeroing, self.widths(choices)
        if self.tuning is not None:
            zeroing = Zeroing(self.tuning(design, widths, {name: each.share for name, each in patterns.items()}))
        state = quantised_by(choices, zeroing(patterns), self.chosen(design))
        return Made(state, widths, patterns, self.targeted(design))

    def glimpsed(self, design: Design) -> Made:
        """The network of a design as a search sees it: where codes are chosen ahead, nearly the one that is made."""
        if self.codes == EACH or self.tuning is not None:
            return self.made(design)
        choices, patterns, options = self.choices(design), self.patterns(design), self.chosen(design)
        _check_signs(choices, patterns)
        zeroed = self._zeroing(patterns)
        state = nearest(zeroed, choices, bias_grid=options.exact == "po2")
        if _is_refined(choices, options):
            state = self._ahead.refined(state, zeroed, choices, options)
        return Made(state, self.widths(choices), patterns, self.targeted(design))

    @cached_property
    def _ahead(self) -> Ahead:
        return Ahead(self.calibration)

    def rounded(self, design: Design) -> Made:
        """The same with each weight at its nearest code: at once, and hardware takes as much of it.

        Signs, of which none is 0, are left without zeros.
        """
        choices, patterns = self.choices(design), self.patterns(design)
        patterns |= {name: WHOLE for name, choice in choices.weights.items() if choice.bits == 1}
        state = nearest(self._zeroing(patterns), choices)
        return Made(state, self.widths(choices), patterns, self.targeted(design))

    def choices(self, design: Design) -> Choices:
        """How each weight and each tensor of a design is quantised."""
        weights = _changed(self.plain.weights, self._said(design, OF_WEIGHTS))
        found = Choices(weights, _changed(self.plain.acts, self._said(design, OF_ACTS)))
        return found if not self.most else found.at(_least(found, self.most))

    def patterns(self, design: Design) -> dict[str, Pattern]:
        """The zeros that a design puts into each weight."""
        said = {name: WHOLE for name in self.plain.weights}
        for axis, value in self._pairs(design):
            if axis.option == OF_ZEROS:
                pattern = Pattern.of(value)
                said |= dict.fromkeys(axis.names or self._able(pattern), pattern)
        return said

    def widths(self, choices: Choices) -> dict[str, int]:
        """The bits of each weight and of each tensor."""
        weights = {name: choice.bits for name, choice in choices.weights.items()}
        return {**weights, **{name: choice.bits for name, choice in choices.acts.items()}, **self.given}

    def _able(self, pattern: Pattern) -> set[str]:
        """The weights that can have such zeros."""
        return self._zeroing.able(pattern) & self._free

    @cached_property
    def _free(self) -> set[str]:
        """The weights that can be chosen for."""
        return self.plain.weights.keys() - self.given.keys()

    @cached_property
    def _zeroing(self) -> Zeroing:
        return Zeroing(self.calibration)

    def chosen(self, design: Design) -> Options:
        """What holds for the whole network."""
        said: dict[str, Any] = {axis.option: value for axis, value in self._pairs(design) if axis.option in OF_NETWORK}
        return replace(self.options, **said) if said else self.options

    def targeted(self, design: Design) -> Target:
        """What the design is compiled for."""
        return aimed(self.target, self._pairs(design))

    def _pairs(self, design: Design) -> Iterator[tuple[Axis, Value]]:
        return pairs_of(self.space, design)

    def _said(self, design: Design, fields: Mapping[str, str]) -> Iterator[tuple[str, Value, tuple[str, ...]]]:
        """Fields of choices, what a design says of them, and of what."""
        for axis, value in self._pairs(design):
            if axis.option in fields:
                yield fields[axis.option], value, axis.names

    def _known(self, axis: Axis) -> set[str]:
        """The names that an axis can be about; none if it is about the whole network."""
        if axis.option == OF_ZEROS:
            return set.intersection(*(self._able(Pattern.of(value)) for value in axis.values))
        known = self._free if axis.option in OF_WEIGHTS else set()
        return known | (self.plain.acts.keys() if axis.option in OF_ACTS else set())


def _is_refined(choices: Choices, options: Options) -> bool:
    """Whether codes are more than the nearest, or biases are corrected."""
    return options.correct != "none" or any(choice.rounding != "nearest" for choice in choices.weights.values())


def _check_signs(choices: Choices, patterns: Mapping[str, Pattern]) -> None:
    """Refuse zeros in a weight of signs."""
    for name, pattern in patterns.items():
        if pattern.share and choices.weights[name].bits == 1:
            what, hint = "is to have zeros, and no sign is 0", "give it 2 bits or more, or no zeros"
            raise BitwrightError(what, where=f"weight '{name}'", hint=hint)


def _changed(plain: Mapping[str, Any], said: Iterable[tuple[str, Value, tuple[str, ...]]]) -> dict[str, Any]:
    """The choices, with what is said of fields of those that are named, or of all."""
    fields: dict[str, dict[str, Value]] = {name: {} for name in plain}
    for option, value, names in said:
        for name in names or plain:
            if name in fields:
                fields[name][option] = value
    return {name: replace(choice, **fields[name]) if fields[name] else choice for name, choice in plain.items()}


def _least(choices: Choices, most: Mapping[str, int]) -> dict[str, int]:
    """The bits of all, none more than it came with."""
    weights = {name: min(choice.bits, most[name]) for name, choice in choices.weights.items() if name in most}
    return weights | {name: min(choice.bits, most[name]) for name, choice in choices.acts.items() if name in most}


def _bits(kind: Any) -> int:
    """Of a type, or of one for each output the most."""
    return max(each.bits for each in kind) if isinstance(kind, tuple) else int(kind.bits)
