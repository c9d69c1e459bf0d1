# SPDX-License-Identifier: Apache-2.0
"""Mutations of a file's bytes: what a broken download, a bad disk or an attacker without a protobuf library makes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator


def flip(data: bytes, rng: Rng) -> bytes:
    """A few bits inverted."""
    out = bytearray(data)
    for place in rng.integers(0, len(out), int(rng.integers(1, 9))):
        out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def overwrite(data: bytes, rng: Rng) -> bytes:
    """A few bytes set to values that end or begin something: 0, 127, 128, 255."""
    out = bytearray(data)
    for place in rng.integers(0, len(out), int(rng.integers(1, 5))):
        out[place] = int(rng.choice([0, 1, 127, 128, 255]))
    return bytes(out)


def truncate(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def duplicate(data: bytes, rng: Rng) -> bytes:
    """A stretch repeated behind itself."""
    start, end = _stretch(data, rng)
    return data[:end] + data[start:end] * int(rng.integers(1, 4)) + data[end:]


def splice(data: bytes, rng: Rng) -> bytes:
    """A stretch moved elsewhere."""
    start, end = _stretch(data, rng)
    rest = data[:start] + data[end:]
    place = int(rng.integers(0, len(rest) + 1))
    return rest[:place] + data[start:end] + rest[place:]


def drop(data: bytes, rng: Rng) -> bytes:
    start, end = _stretch(data, rng)
    return data[:start] + data[end:]


def nest(data: bytes, rng: Rng) -> bytes:
    """A message inside a message, deeper than any reader follows: graph > node > attribute > graph > ..."""
    inner = b""
    for _ in range(int(rng.integers(20, 3000))):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            inner = tag + _varint(len(inner)) + inner
    return data + b"\x3a" + _varint(len(inner)) + inner


def _stretch(data: bytes, rng: Rng) -> tuple[int, int]:
    start = int(rng.integers(0, len(data)))
    return start, min(start + int(rng.integers(1, 400)), len(data))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


WIRE: tuple[Callable[[bytes, Rng], bytes], ...] = (flip, flip, overwrite, truncate, duplicate, splice, drop, nest)
