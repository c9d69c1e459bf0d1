# SPDX-License-Identifier: Apache-2.0
"""Registries that fill themselves: a method is known as soon as its file is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


class Family(Mapping[str, T]):
    """The methods of a family by name: what each module of a package has in a dictionary of a given name.

    The modules are imported when one asks for a method, in the order of their names.
    """

    def __init__(self, package: str, entries: str) -> None:
        self._package, self._entries = package, entries

    def __getitem__(self, name: str) -> T:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @cached_property
    def _found(self) -> dict[str, T]:
        found: dict[str, T] = {}
        for module in iter_modules(import_module(self._package).__path__, f"{self._package}."):
            entries = getattr(import_module(module.name), self._entries, None)
            if isinstance(entries, dict):  # and not the family, which others of the package may know
                assert not found.keys() & entries.keys(), f"two methods have one name: {module.name}"
                found |= entries
        return found
