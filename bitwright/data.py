# SPDX-License-Identifier: Apache-2.0
"""Data files: the arrays of an `.npz`, checked against what the model takes before they are read into memory."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any, Literal, Unpack

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.read import Asked, read_model

Array = NDArray[Any]
LARGE = 1 << 26
"""Bytes of an array that is mapped, not read, where the file holds it as it is."""
WANTED = {"validation": "y_validation", "x": "y"}
"""What is wanted of the samples of a split."""
HINT = "save it with np.savez(path, inputs=x), x of shape (samples, ...)"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A model input as the file declares it: name, dtype, and the shape of one sample without its batch axis."""

    name: str
    dtype: np.dtype[Any]
    sample: tuple[int | None, ...]  # None where the model leaves the size open


def model_tensors(path: Path, **asked: Unpack[Asked]) -> tuple[Tensor, ...]:
    """What the model in the file `path` declares, float or quantised; `asked` is what `read_model` takes."""
    return tuple(Tensor(entry.name, entry.dtype, entry.shape[1:]) for entry in read_model(path, **asked).inputs)


def graph_tensors(graph: Graph) -> tuple[Tensor, ...]:
    """What the model takes, in its order; the frontend wrote it into the graph."""
    pairs = zip(graph.entry.inputs, graph.entry.specs, strict=True)
    return tuple(Tensor(name, np.dtype(spec.dtype), spec.shape) for name, spec in pairs)


@dataclass(frozen=True, slots=True)
class Data:
    """The arrays of a data file: `inputs` in the model's order, and the `outputs` and `labels` that it has, if any."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...] = ()
    labels: Array | None = None  # y: (samples,), integers

    @property
    def samples(self) -> int:
        """How many samples each array holds on axis 0."""
        return len(self.inputs[0])


def read_data(path: Path, tensors: Sequence[Tensor], *, samples: int | None = None) -> Data:
    """The inputs of `path` for a model that takes `tensors`, and its outputs if any; the first `samples` if given.

    Inputs are `inputs`, `inputs_1`, ... (or `x` of a labelled set), outputs `outputs`, `outputs_1`, ..., labels `y`;
    other arrays are ignored. A `.npy` is the inputs. Arrays of `LARGE` bytes that are not compressed stay on the disk.
    A wrong count, shape or dtype is an error, found before anything is loaded.
    """
    headers = _headers(path)
    names = _numbered(headers, "inputs") or _numbered(headers, "x")
    _check_inputs(path, headers, names, tensors)
    outputs = _numbered(headers, "outputs") if names[0] == "inputs" else []
    labels = ["y"] if "y" in headers and _is_labels(headers["y"], headers[names[0]].shape[0]) else []
    arrays = _load(path, headers, [*names, *outputs, *labels], samples)
    return Data(arrays[: len(names)], arrays[len(names) :][: len(outputs)], arrays[-1] if labels else None)


def read_calibration(path: Path, tensors: Sequence[Tensor], *, samples: int | None = None) -> tuple[Array, ...]:
    """The arrays to calibrate on: `calibration` (`calibration_1`, ...) if the file has them, else its inputs."""
    headers = _headers(path)
    names = _numbered(headers, "calibration") or _numbered(headers, "inputs") or _numbered(headers, "x")
    _check_inputs(path, headers, names, tensors)
    return _load(path, headers, names, samples)


def read_validation(path: Path, tensors: Sequence[Tensor]) -> tuple[Array, ...] | None:
    """The arrays `validation` (`validation_1`, ...) that choices are compared on; None if the file has none."""
    headers = _headers(path)
    names = _numbered(headers, "validation")
    if not names:
        return None
    _check_inputs(path, headers, names, tensors)
    return _load(path, headers, names, None)


def read_scored(path: Path, tensors: Sequence[Tensor]) -> Data | None:
    """`x`, else `inputs`, and the labels `y` that go with it, for a model that takes `tensors`; None without labels."""
    headers = _headers(path)
    for stem in ("x", "inputs"):
        names = _numbered(headers, stem)
        if names and "y" in headers and _is_labels(headers["y"], headers[names[0]].shape[0]):
            _check_inputs(path, headers, names, tensors)
            *arrays, labels = _load(path, headers, [*names, "y"], None)
            return Data(tuple(arrays), (), labels)
    return None


def read_training(path: Path, tensors: Sequence[Tensor]) -> Data | None:
    """What a network is trained on, `train` (`train_1`, ...), and its labels `y_train` if the file has them."""
    headers = _headers(path)
    names = _numbered(headers, "train")
    if not names:
        return None
    _check_inputs(path, headers, names, tensors)
    labels = ["y_train"] if "y_train" in headers else []
    if labels and not _is_labels(headers["y_train"], headers[names[0]].shape[0]):
        found = headers["y_train"]
        raise BitwrightError(
            f"'y_train' is {found.dtype} of shape {_text(found.shape)}",
            where=str(path),
            hint="labels are integers, one per sample of 'train'",
        )
    arrays = _load(path, headers, [*names, *labels], None)
    return Data(arrays[: len(names)], (), arrays[-1] if labels else None)


def read_splits(
    path: Path, tensors: Sequence[Tensor], *, scored: str = "", samples: int | None = None
) -> dict[str, Array]:
    """What a search is given: `calibration`, `validation` and `x`, and what is wanted of them, `y_validation` and `y`.

    Inputs after the first one are `x_1`, ...; without `x` it is `inputs`. Without calibration data `validation`, and
    without that `x` stands for it. Labels are integers; what else is wanted is an array of numbers for each sample. Of
    those of `scored` the first `samples`, if given.
    """
    headers = _headers(path)
    held = {stem: _numbered(headers, stem) for stem in ("calibration", "validation", "x")}
    held["x"] = held["x"] or _numbered(headers, "inputs")
    held["calibration"] = held["calibration"] or held["validation"] or held["x"]
    if not held["calibration"]:
        _check_inputs(path, headers, [], tensors)
    found: dict[str, Array] = {}
    for stem, names in held.items():
        if names:
            _check_inputs(path, headers, names, tensors)
            wanted = [name for name in (WANTED.get(stem),) if name in headers]
            arrays = _load(path, headers, [*names, *wanted], samples if stem == scored else None)
            keys = [stem, *(f"{stem}_{place}" for place in range(1, len(names))), *wanted]
            found.update(zip(keys, arrays, strict=True))
    return found


def read_labelled(path: Path, tensors: Sequence[Tensor], *, samples: int | None = None) -> tuple[Array, Array]:
    """The labelled set `x`, `y` of `path` for a model with one input; `y` is (samples,), integers."""
    headers = _headers(path)
    if not {"x", "y"} <= headers.keys():
        raise BitwrightError(
            f"is no labelled set; it holds {_held(headers)}",
            where=str(path),
            hint="save it with np.savez(path, x=images, y=labels)",
        )
    _check_inputs(path, headers, ["x"], tensors)
    if headers["y"].dtype.kind not in "iu" or len(headers["y"].shape) != 1:
        found = headers["y"]
        raise BitwrightError(
            f"'y' is {found.dtype} of shape {_text(found.shape)}",
            where=str(path),
            hint="labels are integers, one per sample",
        )
    x, y = _load(path, headers, ["x", "y"], samples)
    return x, y


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"] = "C"
    offset: int = 0  # where its first element lies, in the file if it is stored as it is
    stored: bool = False


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever is wrong with the bytes of `path` is one error that says so."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BitwrightError(f"not a readable .npz file ({error})", where=str(path), hint=HINT) from error


def _headers(path: Path) -> dict[str, _Header]:
    """Shape and dtype of every array of an `.npz`, its declared size checked against the archive."""
    if not path.is_file():
        raise BitwrightError("no such file", where=str(path), hint=HINT)
    if path.suffix == ".npy":
        with _reading(path), path.open("rb") as file:
            return {"inputs": _header(file, path.name, path.stat().st_size)}
    with _reading(path), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        return {member.filename[:-4]: _member(archive, member) for member in members}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Header:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in a way that NumPy does not write")
    with archive.open(member) as file:
        found = _header(file, member.filename, member.file_size)
    if member.compress_type == zipfile.ZIP_DEFLATED or archive.fp is None:
        return replace(found, stored=False)
    archive.fp.seek(member.header_offset + 26)  # the lengths of the name and of the extra field of the local header
    name, extra = struct.unpack("<HH", archive.fp.read(4))
    return replace(found, offset=member.header_offset + 30 + name + extra + found.offset, stored=True)


def _header(file: IO[bytes], name: str, held: int) -> _Header:
    """What the first bytes of an array say, which is `held` bytes long with them."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    size = held - file.tell()
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} declares the shape {_text(shape)}")
    if not dtype.hasobject and prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name} declares {prod(shape) * dtype.itemsize} bytes and holds {size}")
    return _Header(shape, dtype, "F" if fortran else "C", file.tell(), stored=True)


def _is_labels(header: _Header, samples: int) -> bool:
    return header.dtype.kind in "iu" and header.shape == (samples,)


def _load(path: Path, headers: dict[str, _Header], names: list[str], samples: int | None) -> tuple[Array, ...]:
    """The named arrays, as many samples of each; what holds Python objects is refused, never unpickled."""
    count = headers[names[0]].shape[0]
    if samples is not None and samples > count:
        raise BitwrightError(
            f"holds {count} samples, {samples} were asked for", where=str(path), hint=f"use --samples {count} or less"
        )
    for name in names:
        shape = headers[name].shape
        if shape[:1] != (count,):
            raise BitwrightError(
                f"'{name}' has shape {_text(shape)}, but '{names[0]}' holds {count} samples",
                where=str(path),
                hint="stack one sample per row on axis 0 of every array",
            )
        if headers[name].dtype.hasobject:
            raise BitwrightError(
                f"'{name}' holds Python objects", where=str(path), hint="save plain numbers, objects are never read"
            )
    with _reading(path):
        large = {name: _mapped(path, headers[name]) for name in names if _is_large(path, headers[name])}
        if len(large) == len(names):
            return tuple(large[name][:samples] for name in names)
        with np.load(path, allow_pickle=False) as file:
            return tuple(large[name][:samples] if name in large else np.asarray(file[name][:samples]) for name in names)


def _is_large(path: Path, header: _Header) -> bool:
    """True if an array stays on the disk; that of a `.npy` always does."""
    return header.stored and (path.suffix == ".npy" or prod(header.shape) * header.dtype.itemsize >= LARGE)


def _mapped(path: Path, header: _Header) -> Array:
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, header.order)


def _numbered(headers: dict[str, _Header], stem: str) -> list[str]:
    """`stem`, `stem_1`, `stem_2`, ... as far as the file has them without a gap."""
    if stem not in headers:
        return []
    names = [stem]
    while f"{stem}_{len(names)}" in headers:
        names.append(f"{stem}_{len(names)}")
    return names


def _check_inputs(path: Path, headers: dict[str, _Header], names: list[str], tensors: Sequence[Tensor]) -> None:
    if not names:
        raise BitwrightError(
            f"has no array 'inputs'; it holds {_held(headers)}",
            where=str(path),
            hint=HINT,
        )
    if len(names) != len(tensors):
        takes = ", ".join(f"'{tensor.name}'" for tensor in tensors)
        raise BitwrightError(
            f"holds {len(names)} input arrays, the model takes {len(tensors)}: {takes}",
            where=str(path),
            hint="name them inputs, inputs_1, ... in the model's order",
        )
    for name, tensor in zip(names, tensors, strict=True):
        _check_input(path, name, headers[name], tensor)


def _check_input(path: Path, name: str, header: _Header, tensor: Tensor) -> None:
    fits = len(header.shape) == len(tensor.sample) + 1 and all(
        want in (None, have) for have, want in zip(header.shape[1:], tensor.sample, strict=True)
    )
    if not fits or header.shape[0] == 0:
        want = ", ".join(["samples", *("any" if size is None else str(size) for size in tensor.sample)])
        raise BitwrightError(
            f"'{name}' has shape {_text(header.shape)}, the model's input '{tensor.name}' takes ({want})",
            where=str(path),
            hint="samples stack on axis 0, whatever batch the model declares",
        )
    if header.dtype != tensor.dtype:
        raise BitwrightError(
            f"'{name}' is {header.dtype}, the model's input '{tensor.name}' takes {tensor.dtype}",
            where=str(path),
            hint=f"convert it yourself, so that you decide how it rounds: x.astype('{tensor.dtype}')",
        )


def _held(headers: dict[str, _Header]) -> str:
    return ", ".join(f"'{name}'" for name in headers) or "nothing"


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
