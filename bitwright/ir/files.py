# SPDX-License-Identifier: Apache-2.0
"""A graph in one file: a zip of `graph.json` and `.npy` arrays, laid out as in `docs/files.md`."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
from math import prod
from pathlib import Path
from typing import Any, Never

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bitwright.ir.codec import HINT, Held, decode, encode
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights

FORMAT, VERSION = "bitwright graph", 2
NPY_MAGIC = b"\x93NUMPY\x01\x00"
NPY_HEADER = re.compile(rb"\{'descr': '(\|[biu]1|<[iuf][248])', 'fortran_order': False, 'shape': \(([\d, ]*)\), \}\s*")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member, so that equal graphs make equal bytes."""


def text_of(path: Path, hint: str) -> str:
    """The text in a file; BitwrightError with `hint` where it cannot be read or is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BitwrightError(f"cannot be read: {reason}", where=str(path), hint=hint) from error


def save(graph: Graph, path: Path) -> None:
    """Write `graph` to `path`: whole, or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(to_bytes(graph))
        part.replace(path)
    except OSError as error:
        raise BitwrightError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose a folder that exists and is writable"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> Graph:
    """The verified graph that `path` holds."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BitwrightError(
            f"cannot be read: {error.strerror}", where=str(path), hint="name a graph that bitwright saved"
        ) from error
    return from_bytes(data, where=str(path))


OPTIONS = {"types": "--input", "shapes": "--shape", "outputs": "--outputs", "quantisers": "--quantise"}
"""What a model is asked for, and the option that asks for it."""


def saved(path: Path, **asked: object) -> Graph:
    """The graph that `path` holds, of which nothing may be `asked`: it was read already."""
    for thing, given in asked.items():
        if given:
            hint = "give the ONNX file instead"
            raise BitwrightError(f"a saved graph has its {thing}", where=OPTIONS[thing], hint=hint)
    return load(path)


def is_saved(data: bytes) -> bool:
    """True if a file begins as saved graphs do, which are zips; an ONNX file never does."""
    return data.startswith(b"PK\x03\x04")


def to_bytes(graph: Graph) -> bytes:
    """The file's content; equal graphs give equal bytes."""
    held: dict[str, Held] = {}
    tree = {"format": FORMAT, "version": VERSION} | encode(graph, held)
    members = {f"arrays/{digest}.npy": _npy(held[digest]) for digest in sorted(held)}
    members["graph.json"] = json.dumps(tree, separators=(",", ":"), ensure_ascii=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), members[name])
    return out.getvalue()


def from_bytes(data: bytes, where: str = "graph") -> Graph:
    """The verified graph that `data` holds; `where` names it in errors."""
    try:
        members = _members(data, where)
        tree = _tree(members.pop("graph.json"), where)
        arrays = {name[len("arrays/") : -len(".npy")]: _array(name, raw, where) for name, raw in members.items()}
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
        _refuse(where, f"is not a readable graph file: {error}", error)
    return verify(_graph(tree, arrays, where))


def _check_member(info: zipfile.ZipInfo, where: str) -> None:
    if not re.fullmatch(r"graph\.json|arrays/[0-9a-f]{64}\.npy", info.filename):
        _refuse(where, f"holds the unexpected member {info.filename[:80]!r}")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        _refuse(where, f"member {info.filename} is compressed; members are stored as they are")


def _members(data: bytes, where: str) -> dict[str, bytes]:
    """The zip's members by name; only stored ones with expected names, none longer than the file itself."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        for info in infos:
            _check_member(info, where)
        if len(set(names)) != len(names):
            _refuse(where, "holds two members of one name")
        if "graph.json" not in names:
            _refuse(where, "holds no graph.json")
        if sum(info.file_size for info in infos) > len(data):
            _refuse(where, "declares members larger than the file")
        return {info.filename: archive.read(info) for info in infos}


def _tree(raw: bytes, where: str) -> dict[str, Any]:
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError) as error:
        _refuse(where, f"graph.json is not JSON: {error}", error)
    if not isinstance(tree, dict) or tree.pop("format", None) != FORMAT:
        _refuse(where, f"graph.json does not begin with the format {FORMAT!r}")
    version = tree.pop("version", None)
    if version != VERSION:
        raise BitwrightError(
            f"has the version {version!r}, this is version {VERSION}",
            where=where,
            hint="save the graph again from its ONNX file",
        )
    return tree


def _array(name: str, raw: bytes, where: str) -> NDArray[Any]:
    """The array of one `.npy` member; its declared size is compared with the bytes there before memory is taken."""
    size = int.from_bytes(raw[8:10], "little")
    header = NPY_HEADER.fullmatch(raw[10 : 10 + size])
    if raw[:8] != NPY_MAGIC or header is None:
        _refuse(where, f"{name} is not a .npy array of booleans, integers or floats in C order")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in re.findall(rb"\d+", header[2]))
    if prod(shape) * dtype.itemsize != len(raw) - 10 - size:
        _refuse(where, f"{name} declares the shape {shape} of {dtype}, which is not what it holds")
    return np.frombuffer(raw, dtype, offset=10 + size).reshape(shape)


def _graph(tree: dict[str, Any], arrays: dict[str, NDArray[Any]], where: str) -> Graph:
    graph = decode(Graph, tree, arrays, f"{where}: graph")
    assert isinstance(graph, Graph)
    held: dict[str, Held] = {}
    encode(graph, held)
    if unused := sorted(arrays.keys() - held.keys()):
        _refuse(where, f"holds the array {unused[0][:12]}, which the graph does not use")
    return graph


def _npy(held: Held) -> bytes:
    array = held.array
    if isinstance(held, Weights):
        array = array.astype(_narrowest(held))
    out = io.BytesIO()
    npy.write_array(out, array, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _narrowest(weights: Weights) -> str:
    return next(f"<i{size}" for size in (1, 2, 4, 8) if weights.type.bits <= 8 * size - (not weights.type.signed))


def _refuse(where: str, what: str, cause: BaseException | None = None) -> Never:
    raise BitwrightError(what, where=where, hint=HINT) from cause
