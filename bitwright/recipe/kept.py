# SPDX-License-Identifier: Apache-2.0
"""What the steps of a recipe made, in a folder: found again by what it was made of, complete or not at all."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import Coded, FloatNet
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType
from bitwright.reading.model import ModelInput, Node

Array = NDArray[Any]
UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, AssertionError, zipfile.BadZipFile, zlib.error)
"""What reading a file that is none of ours may raise."""
HEAD = "network.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder that has the networks between the steps of recipes; it is made when the first is put there."""

    folder: Path

    def get(self, key: str) -> FloatNet | None:
        """The network of a key; None where there is none, or what is there is damaged."""
        try:
            with self._file(key).open("rb") as stream, np.load(stream, allow_pickle=False) as held:
                head = json.loads(held[HEAD].tobytes())
                net = _unpacked(head, {name: held[name] for name in held.files})
        except UNREADABLE:
            return None
        return net if net.digest == head["digest"] else None

    def put(self, key: str, net: FloatNet) -> None:
        """Keep a network."""
        arrays: dict[str, Array] = {}
        head = {"digest": net.digest, **_packed(net, arrays)}
        arrays[HEAD] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        file = self._file(key)
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(exist_ok=True)
            with part.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
            part.replace(file)
        except OSError as error:
            hint = "choose a writable place with -o"
            raise BitwrightError(f"cannot be written: {error.strerror}", where=str(file), hint=hint) from error
        finally:
            part.unlink(missing_ok=True)

    def checkpoint(self, key: str) -> Path:
        """Where a step that is not done may keep what it has."""
        return self.folder / f"{key}.checkpoint"

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


def _packed(net: FloatNet, arrays: dict[str, Array]) -> dict[str, Any]:
    """A network as what JSON holds, and arrays by the names that stand for them."""

    def put(value: Any) -> Any:
        match value:
            case np.ndarray() | np.generic():
                name = f"array{len(arrays)}"
                arrays[name] = np.asarray(value)
                return {"scalar" if isinstance(value, np.generic) else "array": name}
            case tuple():
                return {"tuple": [put(one) for one in value]}
            case list():
                return [put(one) for one in value]
            case bytes():
                return {"bytes": value.hex()}
            case _:
                assert value is None or isinstance(value, int | float | str), f"{type(value).__name__} in a network"
                return value

    def kind(coded: Coded) -> Any:
        return [asdict(one) for one in coded.type] if isinstance(coded.type, tuple) else asdict(coded.type)

    return {
        "nodes": [
            {**_fields(node), "attributes": {k: put(v) for k, v in node.attributes.items()}} for node in net.nodes
        ],
        "constants": {name: put(array) for name, array in net.constants.items()},
        "inputs": [[entry.name, entry.shape, entry.dtype.str] for entry in net.inputs],
        "outputs": net.outputs,
        "coded": {name: [put(one.codes), put(one.scale), kind(one)] for name, one in net.coded.items()},
        **{name: getattr(net, name) for name in ("opset", "batch", "file", "source")},
    }


def _fields(node: Node) -> dict[str, Any]:
    return {name: getattr(node, name) for name in ("name", "op", "domain", "inputs", "outputs", "file", "written")}


def _unpacked(head: dict[str, Any], arrays: dict[str, Array]) -> FloatNet:
    """The network that was packed."""

    def get(value: Any) -> Any:
        match value:
            case {"array": name}:
                arrays[name].flags.writeable = False
                return arrays[name]
            case {"scalar": name}:
                return arrays[name][()]
            case {"tuple": items}:
                return tuple(map(get, items))
            case {"bytes": text}:
                return bytes.fromhex(text)
            case list():
                return list(map(get, value))
            case _:
                return value

    def kind(value: Any) -> IntType | tuple[IntType, ...]:
        return tuple(IntType(**one) for one in value) if isinstance(value, list) else IntType(**value)

    def node(row: dict[str, Any]) -> Node:
        attributes = {name: get(value) for name, value in row["attributes"].items()}
        return Node(
            **row | {"inputs": tuple(row["inputs"]), "outputs": tuple(row["outputs"]), "attributes": attributes}
        )

    return FloatNet(
        nodes=tuple(map(node, head["nodes"])),
        constants={name: get(value) for name, value in head["constants"].items()},
        inputs=tuple(ModelInput(name, tuple(shape), np.dtype(code)) for name, shape, code in head["inputs"]),
        outputs=tuple(head["outputs"]),
        coded={name: Coded(get(codes), get(scale), kind(of)) for name, (codes, scale, of) in head["coded"].items()},
        **{name: head[name] for name in ("opset", "batch", "file", "source")},
    )
