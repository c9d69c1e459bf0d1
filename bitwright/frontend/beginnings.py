# SPDX-License-Identifier: Apache-2.0
"""Networks that begin alike are lowered from where they differ: what a builder held there is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bitwright.frontend.builder import Builder
from bitwright.reading.model import Model


class Beginnings:
    """What builders held after their first nodes, of the networks that came last: at most `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def keep(self, key: str, builder: Builder) -> None:
        """Keep what a builder holds."""
        self._held[key] = builder.held()
        if len(self._held) > self.most:
            self._held.popitem(last=False)

    def resume(self, key: str, builder: Builder) -> None:
        """Have a builder hold what was kept."""
        self._held.move_to_end(key)
        builder.take_up(self._held[key])


@dataclass(frozen=True)
class Begun:
    """A network that may begin as others did: the digest of the float one, and that of each twin and each quantiser."""

    others: Beginnings
    network: str
    said: Mapping[str, str]

    def keys(self, model: Model) -> list[str]:
        """A key for the inputs and for each node: of all that is computed up to there."""
        names = [(node.inputs, node.outputs) for node in model.nodes]
        found = sha256(repr((self.network, names, sorted(self.said))).encode())
        keys = []
        for met in ([entry.name for entry in model.inputs], *(inputs + outputs for inputs, outputs in names)):
            found.update(repr([self.said.get(name) for name in met]).encode())
            keys.append(found.hexdigest())
        return keys

    def resumed(self, keys: Sequence[str], builder: Builder) -> int:
        """How many steps a builder need not make: after them it holds what one of the others did."""
        places = range(len(keys), 0, -1)
        known = next((place for place in places if keys[place - 1] in self.others), 0)
        if known:
            twins = {name: value for name, value in builder.values.items() if name in self.said}
            self.others.resume(keys[known - 1], builder)
            builder.values.update(twins)
        return known
