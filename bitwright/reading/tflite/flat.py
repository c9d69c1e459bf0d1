# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers: tables whose fields are found through offsets, each of which is checked against the file's bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Damaged(Exception):
    """An offset, or a length, that leads out of the file."""


GENEROUS = 8
"""How often a file may be read through its vectors: a few share one, a thousand are an attack."""


class Bytes:
    """The bytes of a file, and how many may still be read through its vectors."""

    def __init__(self, data: bytes) -> None:
        self.data, self._left = data, GENEROUS * len(data)

    def take(self, size: int) -> None:
        """Count `size` bytes of a vector."""
        self._left -= size
        if self._left < 0:
            raise Damaged("declares more than it holds")


def unpack(data: bytes, kind: str, place: int) -> Any:
    """The little-endian number of a `struct` kind at a place of the file."""
    size = struct.calcsize(f"<{kind}")
    if not 0 <= place <= len(data) - size:
        raise Damaged(f"reads {size} bytes at {place} of {len(data)}")
    return struct.unpack_from(f"<{kind}", data, place)[0]


@dataclass(frozen=True, slots=True)
class Record:
    """A table at a place of the file; its fields are known by their numbers in the schema."""

    file: Bytes
    place: int

    @staticmethod
    def root(data: bytes) -> Record:
        """The table that the file begins with."""
        return Record(Bytes(data), unpack(data, "I", 0))

    @property
    def data(self) -> bytes:
        """The whole file."""
        return self.file.data

    def _field(self, number: int) -> int:
        """Where a field lies; 0 if it has its default."""
        found = self.place - unpack(self.data, "i", self.place)
        size = unpack(self.data, "H", found)
        offset = unpack(self.data, "H", found + 4 + 2 * number) if 6 + 2 * number <= size else 0
        return self.place + offset if offset else 0

    def number(self, number: int, kind: str, default: Any = 0) -> Any:
        """A number of a `struct` kind."""
        place = self._field(number)
        return unpack(self.data, kind, place) if place else default

    def table(self, number: int) -> Record | None:
        """A table, if there is one."""
        place = self._field(number)
        return Record(self.file, place + unpack(self.data, "I", place)) if place else None

    def array(self, number: int, dtype: str, shared: bool = False) -> NDArray[Any] | None:
        """A vector of numbers, if there is one; a view on the file, which many may have if it is `shared`."""
        place, length = self._vector(number)
        if not place:
            return None
        kind = np.dtype(dtype).newbyteorder("<")
        if place + length * kind.itemsize > len(self.data):
            raise Damaged(f"declares {length} numbers at {place} of {len(self.data)}")
        self.file.take(0 if shared else length * kind.itemsize)
        return np.frombuffer(self.data, kind, length, place)

    def integers(self, number: int) -> tuple[int, ...]:
        """A vector of 32-bit integers; empty if there is none."""
        array = self.array(number, "i4")
        return () if array is None else tuple(array.tolist())

    def tables(self, number: int) -> list[Record]:
        """A vector of tables."""
        place, length = self._vector(number)
        self.file.take(4 * length)
        places = range(place, place + 4 * length, 4)
        return [Record(self.file, at + unpack(self.data, "I", at)) for at in places]

    def text(self, number: int) -> str:
        """A text; empty if there is none."""
        raw = self.array(number, "u1")
        return "" if raw is None else raw.tobytes().decode(errors="replace")

    def _vector(self, number: int) -> tuple[int, int]:
        """Where the elements of a vector begin, and how many there are."""
        place = self._field(number)
        if not place:
            return 0, 0
        start = place + unpack(self.data, "I", place)
        return start + 4, unpack(self.data, "I", start)
