# SPDX-License-Identifier: Apache-2.0
"""What the steps of a recipe made, in a folder: found again by what it was made of, complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bitwright.compress import FloatNet, float_net
from bitwright.ir.errors import BitwrightError

DIGITS = 16
"""Of the digest of a network in the name of its file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder that has the networks between the steps of recipes; it is made when the first is put there."""

    folder: Path

    def get(self, key: str, first: FloatNet) -> FloatNet | None:
        """The network of a key, which came of `first`; None where there is none, or what is there is damaged."""
        for path in self.folder.glob(f"{key}-*.onnx"):
            try:
                net = float_net(path)
            except BitwrightError:
                continue
            if path.name == _name(key, net):
                return replace(net, file=first.file, source=first.source)
        return None

    def put(self, key: str, net: FloatNet) -> None:
        """Keep a network."""
        file = self.folder / _name(key, net)
        part = file.with_suffix(f".{os.getpid()}.part")
        with _writing(file):
            self.folder.mkdir(exist_ok=True)
            try:
                net.save(part)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)

    def checkpoint(self, key: str) -> Path:
        """Where a step that is not done may keep what it has; there is a folder for it."""
        file = self.folder / f"{key}.checkpoint"
        with _writing(file):
            self.folder.mkdir(exist_ok=True)
        return file


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "choose a writable place with -o"
        raise BitwrightError(f"cannot be written: {error.strerror}", where=str(file), hint=hint) from error


def _name(key: str, net: FloatNet) -> str:
    return f"{key}-{net.digest[:DIGITS]}.onnx"
