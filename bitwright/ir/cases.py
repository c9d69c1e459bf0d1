# SPDX-License-Identifier: Apache-2.0
"""What the members of a closed union have in common: the `op` under which files and texts write them."""

from __future__ import annotations

from dataclasses import dataclass


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
