# SPDX-License-Identifier: Apache-2.0
"""What each weight and each tensor becomes: width, kind of scale, range, rounding, zero; from options and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bitwright.compress.config import FLOAT, Config, Rule, Value, nearest_names
from bitwright.compress.network import FloatNet
from bitwright.compress.operators import moves
from bitwright.compress.options import BITS, Options
from bitwright.compress.sites import Site, key
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.reading.model import Node

PADS = frozenset(("AveragePool", "Conv", "ConvTranspose"))
"""Operators whose padding is zeros."""
BOTH = {"range", "scale"}
OF_WEIGHTS = {name: name for name in (*BOTH, "per_channel", "rounding")} | {"weights": "bits"}
OF_ACTS = {name: name for name in (*BOTH, "zero")} | {"activations": "bits"}
"""Options of a rule, and the fields of a choice that they set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChoice:
    """How a weight is quantised: bits, a scale for each output or one, keys of `RANGES`, `ROUNDINGS` and `SCALES`."""

    bits: int
    per_channel: bool
    range: str
    rounding: str
    scale: str

    @property
    def type(self) -> IntType:
        """The type of the codes, which are as many below zero as above; of one bit they are signs."""
        return BIPOLAR if self.bits == 1 else integer(self.bits, signed=True, narrow=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActChoice:
    """How a tensor is quantised; `unsigned` if nothing of it is below zero, `padded` if zero must be one of the codes.

    `zero` says whether there is a zero point: where it saves at least half a bit ("auto"), "always" or "never".
    """

    bits: int
    range: str
    scale: str
    zero: str
    unsigned: bool
    padded: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The choice for each weight, and for each tensor that is quantised, by their names."""

    weights: dict[str, WeightChoice]
    acts: dict[str, ActChoice]

    def at(self, widths: Mapping[str, int]) -> Choices:
        """The same, with other bits for the weights and the tensors that are named."""
        weights = {name: replace(choice, bits=widths.get(name, choice.bits)) for name, choice in self.weights.items()}
        acts = {name: replace(choice, bits=widths.get(name, choice.bits)) for name, choice in self.acts.items()}
        return Choices(weights, acts)


def choose(net: FloatNet, unsigned: frozenset[str], options: Options, config: Config | None = None) -> Choices:
    """The same for all, but for what `config` has rules for; `unsigned` are tensors of which nothing is below zero."""
    weight = WeightChoice(
        bits=options.weights,
        per_channel=options.per_channel,
        range=options.range,
        rounding=options.rounding,
        scale=options.scale,
    )
    acts = {
        site.tensor: ActChoice(
            bits=options.activations,
            range=options.range,
            scale=options.scale,
            zero=options.zero,
            unsigned=site.non_negative or site.tensor in unsigned,
            padded=is_padded(net, site),
        )
        for site in net.sites
    }
    made = Choices({layer.weight: weight for layer in net.layers}, acts)
    if config is None:
        return made
    names = Names(net)
    for rule in config.rules:
        made = _ruled(made, names, config, rule, options)
    return made


class Names:
    """What the names in a configuration stand for.

    A layer has its node's name, its weight's, and that of the tensor it makes where no quantiser has this one.
    """

    def __init__(self, net: FloatNet) -> None:
        nodes, tensors = {key(node): node.name for node in net.nodes}, {site.tensor for site in net.sites}
        of_layer = {layer.name: {nodes[layer.name], layer.weight, *({layer.name} - tensors)} for layer in net.layers}
        self.weights = [(layer.weight, of_layer[layer.name]) for layer in net.layers if net.given(layer.weight) is None]
        self.acts: list[tuple[str, set[str]]] = []
        for site in net.sites:
            readers = [node for node in reading(net, site) if not moves(node)]
            names = (of_layer.get(key(node), {node.name}) for node in readers)
            self.acts.append((site.tensor, {site.tensor}.union(*names)))
        self.all = set().union(*(names for _, names in (*self.weights, *self.acts)))

    @staticmethod
    def found(rule: Rule, entries: Sequence[tuple[str, set[str]]]) -> list[str]:
        """Those that a rule is about."""
        return [name for name, names in entries if any(map(rule.matches, names))]


def _ruled(made: Choices, names: Names, config: Config, rule: Rule, options: Options) -> Choices:
    """The choices, those that a rule is about changed."""
    weights, acts = names.found(rule, names.weights), names.found(rule, names.acts)
    if not weights and not acts:
        raise config.error(rule, "names nothing that is quantised", nearest_names(rule.pattern, names.all))
    given = dict(rule.options)
    _check(config, rule, given, options)
    coded: dict[str, Any] = _fields(config, rule, OF_WEIGHTS, None if weights else "weights to quantise")
    placed: dict[str, Any] = _fields(config, rule, OF_ACTS, None if acts else "activations that are quantised")
    changed = made.weights | {name: replace(made.weights[name], **coded) for name in weights}
    if given.get("activations") == FLOAT:
        return Choices(changed, {name: act for name, act in made.acts.items() if name not in acts})
    held = {name: replace(made.acts[name], **placed) for name in acts if name in made.acts}
    return Choices(changed, made.acts | held)


def _check(config: Config, rule: Rule, given: Mapping[str, Value], options: Options) -> None:
    """Refuse what no network can be."""
    if given.get("weights") == FLOAT:
        raise config.error(rule, "weights cannot stay in float", f"give them up to {BITS[-1]} bits")
    if given.get("scale") == "free" and options.exact == "po2":
        raise config.error(rule, "has scale 'free' beside exact 'po2'", "leave scale out")


def _fields(config: Config, rule: Rule, fields: Mapping[str, str], lacks: str | None) -> dict[str, Value]:
    """What a rule says of fields of a choice; it must say nothing that is of these alone where it `lacks` such."""
    own = sorted({name for name, _ in rule.options} & (fields.keys() - BOTH))
    if own and lacks:
        raise config.error(rule, f"has no {lacks}", f"leave out {', '.join(own)}")
    return {fields[name]: value for name, value in rule.options if name in fields}


def is_padded(net: FloatNet, site: Site) -> bool:
    """True if zeros are put beside the codes of a tensor, at once or behind what only moves them."""
    return any(_pads(node) for node in reading(net, site))


def reading(net: FloatNet, site: Site) -> Iterator[Node]:
    """What the codes of a tensor come to: its readers, and behind those that only move them the next ones."""
    readers: dict[str, list[Node]] = {}
    for node in net.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    makers = {key(node): node for node in net.nodes}
    waiting = [makers[edge.reader] for edge in site.edges]
    while waiting:
        node = waiting.pop()
        yield node
        if moves(node):
            waiting += [reader for name in node.outputs for reader in readers.get(name, [])]


def read_by(net: FloatNet) -> dict[str, str]:
    """The tensor with a quantiser whose codes a node reads, at once or behind what only moves them, by its name."""
    return {key(node): site.tensor for site in net.sites for node in reading(net, site)}


def _pads(node: Node) -> bool:
    same = str(node.attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID")
    pads = node.op == "ConvTranspose" or same or any(node.attributes.get("pads") or [])
    return node.op == "Pad" or (node.op in PADS and pads)
