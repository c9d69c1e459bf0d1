# SPDX-License-Identifier: Apache-2.0
"""The last few things that were built, so that the same files are built once and memory stays bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """At most `size` things by the project (path -> text) that each was built of; the one not used longest goes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[str, T] = OrderedDict()
        self._lock = RLock()

    def get(self, files: Mapping[str, str], build: Callable[[Mapping[str, str]], T]) -> T:
        """What `build` makes of `files`, or made of them before."""
        key = _digest(files)
        with self._lock:  # threads may ask at once: the same is built once
            if key not in self._held:
                self._held[key] = build(files)
            self._held.move_to_end(key)
            while len(self._held) > self._size:
                self._held.popitem(last=False)
            return self._held[key]


def _digest(files: Mapping[str, str]) -> str:
    """sha256 of the paths and their texts, in any order."""
    content = sha256()
    for path in sorted(files):
        for part in (path, files[path]):
            data = part.encode()
            content.update(f"{len(data)}:".encode() + data)
    return content.hexdigest()
