# SPDX-License-Identifier: Apache-2.0
"""Digests of what is computed, whatever it is called: the key under which results of a layer or a graph are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from json import dumps

from bitwright.ir.codec import encode
from bitwright.ir.host import HostGraph
from bitwright.ir.layers import Layer


def layer_digests(inputs: Sequence[Layer], layers: Iterable[Layer]) -> dict[str, str]:
    """For each layer the sha256 of all it says but its name and its source, and of the digests of what it reads.

    An input of the network is also its place among the inputs.
    """
    found: dict[str, str] = {}
    for place, entry in enumerate(inputs):
        found[entry.name] = _digest([place, _said(entry)])
    for layer in layers:
        found[layer.name] = _digest([_said(layer), [found[name] for name in layer.inputs]])
    return found


def host_digest(host: HostGraph) -> str:
    """The sha256 of what host steps compute: tensors are numbered, source nodes and reasons are left out."""
    numbers: dict[str, int] = {}

    def number(names: Iterable[str]) -> list[int]:
        return [numbers.setdefault(name, len(numbers)) for name in names]

    entering = number(host.inputs)
    said = [[number(step.inputs), number([step.output]), encode(step.does, {})] for step in host.steps]
    return _digest([entering, said, number(host.outputs), encode(host.specs, {})])


def _said(layer: Layer) -> dict[str, object]:
    return {key: value for key, value in encode(layer, {}).items() if key not in ("name", "inputs", "source")}


def _digest(value: object) -> str:
    return sha256(dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
