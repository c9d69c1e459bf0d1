# SPDX-License-Identifier: Apache-2.0
"""What was found, kept for whoever asks the same again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """What was found, by all that it depends on; beyond `most` the oldest are forgotten."""

    most: int
    found: dict[Hashable, V] = field(default_factory=dict)

    def get(self, key: Hashable, find: Callable[[], V]) -> V:
        """What is known for `key`, or found now."""
        if key not in self.found:
            if len(self.found) >= self.most:
                del self.found[next(iter(self.found))]
            self.found[key] = find()
        return self.found[key]
