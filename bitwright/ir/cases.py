# SPDX-License-Identifier: Apache-2.0
"""What the members of a closed union have in common: the `op` under which files and texts write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Case:
    """A member of a closed union."""

    @classmethod
    def kind(cls) -> str:
        """The class as files, texts and reports write it."""
        return cls.__name__.lower()

    @property
    def op(self) -> str:
        """Its kind."""
        return self.kind()


@dataclass(frozen=True, slots=True)
class Worded(Case):
    """A member that is written in words: `LeakyRelu` is `leaky_relu`."""

    @classmethod
    def kind(cls) -> str:
        """The class as files, texts and reports write it."""
        return _words(cls.__name__)


@cache
def _words(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
