# SPDX-License-Identifier: Apache-2.0
"""The files of a design, read without the compiler: `graph.bw` (`docs/files.md`) and `certificate.json`."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Never

import numpy as np
from numpy.typing import NDArray

Interval = tuple[int, int]
Line = dict[str, Any]
Members = Mapping[str, bytes]

FORMAT, VERSION = "bitwright graph", 2
WINDOW = {"kernel": "pair", "strides": "pair", "dilations": "pair", "pads": "four"}
Fields = Mapping[str, str]
"""What is read of a kind of layer beside the common fields: how each is written."""
MOVES: dict[str, dict[str, str]] = {
    "transpose": {"axes": "ints"},
    "slice": {"starts": "ints", "steps": "ints", "lengths": "ints"},
    "pad": {"widths": "integer rows"},
    "repeat": {"factors": "ints"},
    "spread": {"strides": "pair"},
    "tospace": {"block": "pair", "groups": "int", "size": "pair"},
    "take": {"indices": "array"},
}
"""What is read of each kind of move."""


UNREADABLE = (
    zipfile.BadZipFile,
    struct.error,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    OSError,
    EOFError,
)
"""What damaged archives and trees raise when they are read."""


class CheckError(ValueError):
    """The files of a design cannot be read; the message says which file and what is wrong with it."""


@dataclass(frozen=True)
class Layer:
    """One layer of the saved graph; `fields` are those of its kind, arrays in place of their digests."""

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    type: tuple[int, int, int]
    scale: tuple[Fraction, ...]
    zero: tuple[Fraction, ...]
    fields: Mapping[str, Any]

    @property
    def channels(self) -> int:
        """The length of the last axis."""
        return self.shape[-1]

    @property
    def is_padded(self) -> bool:
        """True if windows reach beyond the image."""
        return any(self.fields["window"]["pads"]) if "window" in self.fields else False

    def each(self, name: str) -> list[Any]:
        """The field `name` for every channel, repeated if there is one for all."""
        values = self.fields[name]
        if len(values) not in (1, self.channels):
            self.refuse(f"has {len(values)} values of {name} for {self.channels} channels")
        return list(values) * (self.channels if len(values) == 1 else 1)

    def require(self, condition: bool, what: str) -> None:
        """Refuse the graph unless `condition`."""
        if not condition:
            self.refuse(what)

    def refuse(self, what: str) -> Never:
        """Raise the error of a graph whose layers do not fit together."""
        raise CheckError(f"graph.bw: layer {self.name!r} {what}")


def read(path: Path) -> bytes:
    """The content of `path`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckError(f"{path}: cannot be read: {error.strerror}") from error


def read_lines(data: bytes) -> list[Line]:
    """The lines of a certificate."""
    try:
        lines = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckError(f"certificate.json: is not JSON: {error}") from error
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise CheckError("certificate.json: is not a list of objects")
    return lines


def read_graph(data: bytes, kinds: Mapping[str, Fields]) -> list[Layer]:
    """Every layer of a saved graph, the inputs first, each after what it reads; `kinds` has what is read by op."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or not info.compress_size == info.file_size <= len(data):
                    raise CheckError(f"graph.bw: member {info.filename!r} is compressed")
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        tree = json.loads(members["graph.json"])
        _check_version(tree)
        layers = [_layer(entry, members, kinds) for entry in (*tree["inputs"], *tree["layers"])]
    except CheckError:
        raise
    except UNREADABLE as error:
        raise CheckError(f"graph.bw: is not a saved graph: {error!r}") from error
    known: set[str] = set()
    for layer in layers:
        layer.require(layer.name not in known, "stands there twice")
        layer.require(known.issuperset(layer.inputs), "reads what no earlier layer makes")
        layer.require(bool(layer.inputs) == (layer.op != "input"), "reads the wrong number of tensors")
        known.add(layer.name)
    return layers


def _check_version(tree: dict[str, Any]) -> None:
    if tree["format"] != FORMAT or tree["version"] != VERSION:
        found = f"{tree['format']!r} of version {tree['version']!r}"
        raise CheckError(f"graph.bw: is a {found}, not {FORMAT!r} of version {VERSION}; compile the model again")


def digest(array: NDArray[np.int64]) -> str:
    """The sha256 that an array of integers is stored under."""
    return sha256(repr(array.shape).encode() + array.astype("<i8").tobytes()).hexdigest()


def fraction(text: str) -> Fraction:
    """The number that `p` or `p/q` means; ValueError for any other text."""
    if not re.fullmatch(r"-?[0-9]+(/[0-9]*[1-9][0-9]*)?", text):
        raise ValueError(f"{text!r} is not a fraction")
    return Fraction(text)


def _layer(entry: dict[str, Any], members: Members, kinds: Mapping[str, Fields]) -> Layer:
    name, op = _text(entry["name"], members), _text(entry["op"], members)
    if op not in kinds:
        raise CheckError(f"graph.bw: layer {name!r} has the op {op!r}, which is not known")
    lo, hi, step = _ints(entry["type"], members)
    if lo > hi or step not in (1, 2):
        raise CheckError(f"graph.bw: layer {name!r} has an empty type")
    return Layer(
        name=name,
        op=op,
        inputs=tuple(_text(item, members) for item in entry["inputs"]),
        shape=tuple(_positive(length) for length in entry["shape"]),
        type=(lo, hi, step),
        scale=_fractions(entry["scale"], members),
        zero=_fractions(entry["zero"], members),
        fields={field: READ[kind](entry[field], members) for field, kind in kinds[op].items()},
    )


def _array(value: Any, members: Members) -> NDArray[np.int64]:
    """The integers that are stored under the digest `value`."""
    raw = members[f"arrays/{_text(value, members)}.npy"]
    length = int.from_bytes(raw[8:10], "little")
    head, body = raw[10 : 10 + length].decode("latin-1"), raw[10 + length :]
    parts = re.fullmatch(r"\{'descr': '[|<](i[1248])', 'fortran_order': False, 'shape': \(([\d, ]*)\), \}\s*", head)
    if raw[:8] != b"\x93NUMPY\x01\x00" or parts is None:
        raise ValueError(f"array {value} is not a .npy array of signed integers")
    shape = tuple(int(length) for length in re.findall(r"\d+", parts[2]))
    if prod(shape) * int(parts[1][1:]) != len(body):
        raise ValueError(f"array {value} does not hold the integers it declares")
    array = np.frombuffer(body, f"<{parts[1]}").astype(np.int64).reshape(shape)
    if digest(array) != value:
        raise ValueError(f"array {value} has other content than its digest says")
    return array


def _window(value: Any, members: Members) -> dict[str, Any]:
    return {field: READ[kind](value[field], members) for field, kind in WINDOW.items()}


def _move(value: Any, members: Members) -> dict[str, Any]:
    op = _text(value["op"], members)
    return {"op": op} | {field: READ[kind](value[field], members) for field, kind in MOVES[op].items()}


def _steps(value: Any, members: Members) -> tuple[tuple[str, ...], ...]:
    """Steps as the certificate writes them: the name, then the numbers as they stand there; no limit is empty."""
    return tuple(tuple("" if item is None else _text(item, members) for item in step.values()) for step in value)


def _int(value: Any, members: Members) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not an integer")
    return value


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise TypeError(f"{value!r} is not a length")
    return value


def _text(value: Any, members: Members) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _fraction(value: Any, members: Members) -> Fraction:
    return fraction(_text(value, members))


def _several(count: int) -> Callable[[Any, Members], tuple[int, ...]]:
    def take(value: Any, members: Members) -> tuple[int, ...]:
        numbers = tuple(_int(item, members) for item in value)
        if len(numbers) != count:
            raise ValueError(f"{value!r} is not {count} integers")
        return numbers

    return take


def _rows(item: Callable[[Any, Members], Any]) -> Callable[[Any, Members], tuple[Any, ...]]:
    return lambda value, members: tuple(item(entry, members) for entry in value)


_ints, _fractions = _rows(_int), _rows(_fraction)
READ: dict[str, Callable[[Any, Members], Any]] = {
    "array": _array,
    "int": _int,
    "ints": _ints,
    "pair": _several(2),
    "four": _several(4),
    "window": _window,
    "move": _move,
    "integer rows": _rows(_ints),
    "text": _text,
    "steps": _steps,
    "fractions": _fractions,
    "fraction rows": _rows(_fractions),
}
"""How a field of each kind is read."""
