# SPDX-License-Identifier: Apache-2.0
"""A space for a network: what is said of all of it, of groups, and of each layer and tensor that a pattern names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bitwright.compress import FloatNet
from bitwright.compress.choices import OF_ACTS, Names
from bitwright.compress.config import Rule, nearest_names
from bitwright.compress.options import WIDTHS
from bitwright.compress.prune import Pattern
from bitwright.compress.prune.granularity import Block, grains
from bitwright.explore.axes import OF_TARGET, OF_ZEROS, in_order, is_of_weights
from bitwright.explore.space import Axis, Space, Value
from bitwright.ir.errors import BitwrightError

Kind = Literal["network", "groups", "layers"]


@dataclass(frozen=True, slots=True)
class Clause:
    """Values of options for the network, for a group as one, or for each of what `patterns` name by itself.

    `label` is what errors and axes of a group call it; of the network there are no patterns, which is all of it.
    """

    kind: Kind
    label: str
    patterns: tuple[str, ...]
    options: Mapping[str, tuple[Value, ...]]
    file: str = "space"

    @property
    def where(self) -> str:
        """Where it stands, for errors."""
        return f"{self.file}: {self.kind}" + (f" '{self.label}'" if self.label else "")


def of_network(options: Mapping[str, Sequence[Value]], each: bool = False) -> list[Clause]:
    """The clauses for a whole network, or for each of its layers and tensors, what no layer has left to the network."""
    own = {name: tuple(values) for name, values in options.items() if each and (is_of_weights(name) or name in OF_ACTS)}
    rest = {name: tuple(values) for name, values in options.items() if name not in own}
    clauses = [Clause("network", "", (), rest, "options"), Clause("layers", "*", ("*",), own, "options")]
    return [clause for clause in clauses if clause.options]


def space_of(net: FloatNet, clauses: Sequence[Clause], most: Mapping[str, int] | None = None) -> Space:
    """The space that clauses say for a network; BitwrightError for names that are not in it.

    Of each thing what is said of a layer goes over what is said of a group, and that over what is said of the network;
    among the same the later one holds. `most` has the bits of what can only become narrower.
    """
    ranks: Sequence[Kind] = ("network", "groups", "layers")
    ordered = sorted(clauses, key=lambda clause: ranks.index(clause.kind))
    return Space(tuple(_Axes(net, most or {}).of(ordered)))


def of_folding(clauses: Sequence[Clause] | Space) -> bool:
    """Whether nothing is searched but what networks are compiled for."""
    if isinstance(clauses, Space):
        return all(axis.option in OF_TARGET for axis in clauses.axes)
    return all(option in OF_TARGET for clause in clauses for option in clause.options)


def folding_of(clauses: Sequence[Clause]) -> Space:
    """The space of clauses that are `of_folding`, which no network has a say in."""
    for clause in clauses:
        for option in clause.options if clause.kind != "network" else ():
            _check_about(clause, option, ())
    said = ((option, values) for clause in clauses for option, values in clause.options.items())
    return Space(tuple(Axis(option, option, in_order(option, values)) for option, values in said))


class _Axes:
    """Makes the axes, the last clause first: what it is about is no more the others'."""

    def __init__(self, net: FloatNet, most: Mapping[str, int]) -> None:
        self._net, self._most = net, most
        self._blocks: dict[Block, set[str]] = {}
        self._names = Names(net)
        self._weights = list(dict.fromkeys(name for name, _ in self._names.weights))
        self._acts = [name for name, _ in self._names.acts]
        self._taken: dict[str, set[str]] = {}

    def of(self, clauses: Sequence[Clause]) -> list[Axis]:
        """All axes, those of the first clause first."""
        made = [list(self._axes(clause)) for clause in reversed(clauses)]
        found = [axis for axes in reversed(made) for axis in axes]
        if not found:
            raise BitwrightError("the space has no axes", where="explore", hint="give at least one option its values")
        return found

    def _axes(self, clause: Clause) -> Iterator[Axis]:
        found = self._found(clause)
        for option in clause.options:
            about = self._about(clause, option, found)
            taken = self._taken.setdefault(option, set())
            left, before = [name for name in about if name not in taken], len(taken)
            taken.update(about)
            if left or not about:
                yield from self._made(clause, option, left, whole=not before)

    def _made(self, clause: Clause, option: str, left: Sequence[str], *, whole: bool) -> Iterator[Axis]:
        """The axes of an option for what is left to a clause: the `whole` network, if no other has taken any."""
        values = in_order(option, clause.options[option])
        if clause.kind == "layers":
            yield from self._each(option, values, left)
        elif clause.kind == "groups":
            yield Axis(f"{option} of {clause.label}", option, values, tuple(left))
        else:
            yield Axis(option, option, values, () if whole else tuple(left))

    def _each(self, option: str, values: tuple[Value, ...], names: Sequence[str]) -> Iterator[Axis]:
        """An axis for each name, of the values that it can have."""
        for name in names:
            if option == OF_ZEROS:
                able = tuple(value for value in values if name in self._able(Pattern.of(value)))
            elif option in WIDTHS and name in self._most:
                able = tuple(sorted({min(int(value), self._most[name]) for value in values}))
            else:
                able = values
            if able:
                yield Axis(f"{option} of {name}", option, able, (name,))

    def _able(self, pattern: Pattern) -> set[str]:
        """The weights that can have such zeros."""
        if pattern.block not in self._blocks:
            self._blocks[pattern.block] = set(grains(self._net, pattern.block))
        return self._blocks[pattern.block]

    def _found(self, clause: Clause) -> list[str]:
        """The weights and tensors that a clause names."""
        found: dict[str, None] = {}
        for pattern in clause.patterns:
            rule = Rule(pattern, ())
            named = dict.fromkeys(Names.found(rule, self._names.weights) + Names.found(rule, self._names.acts))
            if not named:
                hint = nearest_names(pattern, self._names.all)
                what = f"'{pattern}' names nothing that is quantised"
                raise BitwrightError(what, where=clause.where, hint=hint)
            found |= named
        return list(found) if clause.patterns else [*self._weights, *self._acts]

    def _about(self, clause: Clause, option: str, found: Sequence[str]) -> list[str]:
        """Of what was found that which has an option; nothing of what a network has as a whole."""
        able = {*(self._weights if is_of_weights(option) else ()), *(self._acts if option in OF_ACTS else ())}
        about = [name for name in found if name in able]
        if clause.kind != "network":
            _check_about(clause, option, about)
        return about


def _check_about(clause: Clause, option: str, about: Sequence[str]) -> None:
    """Refuse what a layer or a group cannot say."""
    if not is_of_weights(option) and option not in OF_ACTS:
        what, hint = f"{option} is of the whole network", "put it under 'network'"
        raise BitwrightError(what, where=clause.where, hint=hint)
    if not about:
        kind = "weights to quantise" if is_of_weights(option) else "tensors that are quantised"
        raise BitwrightError(f"names no {kind}", where=clause.where, hint=f"leave out {option}")
