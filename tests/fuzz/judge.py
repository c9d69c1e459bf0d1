# SPDX-License-Identifier: Apache-2.0
"""What must hold of a hostile file: it loads and runs, or one error says where, what and what to do."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import bitwright as bw
from bitwright.compress import float_net
from bitwright.frontend.lowering import MALFORMED
from bitwright.ir.graph import Graph
from bitwright.ir.host import Array, TensorSpec
from bitwright.ir.layers import Requantise
from bitwright.ir.verify import verify
from bitwright.reading.sizes import refuse_large

FILE = "net.onnx"
COMPILED_MACS = 20_000
"""Of the largest network that is audited and compiled as well: multiply-accumulates, elements, steps by 16."""
RUN_ELEMENTS = 1_000_000
"""Elements of all layers of the largest network that is run."""
LONGEST_MESSAGE = 5000


def judge(data: bytes, folder: Path, *, deep: bool) -> tuple[str, str]:
    """("loaded" | "refused" | "finding", details); with `deep` a small network is audited and compiled too."""
    path = folder / FILE
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return _judge(path, deep)
        except Exception:  # noqa: BLE001 (the whole point: anything but a BitwrightError is a finding)
            return "finding", traceback.format_exc()


def _judge(path: Path, deep: bool) -> tuple[str, str]:
    try:
        net = bw.load(path)
    except bw.BitwrightError as error:
        complaint = complaint_of(error)
        return ("finding", f"{complaint}\n{error}") if complaint else _quantise(path)
    verify(net)
    elements = sum(int(np.prod(layer.shape)) for layer in net.by_name.values())
    if elements > RUN_ELEMENTS:
        return "loaded", "too large to run"
    samples = [_sample(spec) for spec in net.before.specs]
    try:
        outputs = bw.run(net, samples)
    except bw.BitwrightError as error:  # a layer with more steps than can be proved
        return ("refused", str(error)) if error.where and error.hint else ("finding", str(error))
    for array in outputs if isinstance(outputs, list) else [outputs]:
        assert len(array) == 2, f"two samples went in, {array.shape} came out"
    bw.inspect(net)
    if deep and _is_small(net, elements):
        _again(path)
        _audit(net, samples, outputs if isinstance(outputs, list) else [outputs])
        _compile(net)
    return "loaded", ""


def _quantise(path: Path) -> tuple[str, str]:
    """The verdict on a file that is not quantised: what `quantize` takes must run as well."""
    try:
        net = float_net(path)
        for entry in net.inputs:
            refuse_large(entry.shape, f"{FILE}: input '{entry.name}'")
        samples = [_sample(TensorSpec(entry.shape[1:], entry.dtype.name)) for entry in net.inputs]
        bw.run(bw.quantize(net, samples).graph(), samples)
    except bw.BitwrightError as error:
        complaint = "" if error.where.startswith("calibration data") else complaint_of(error)
        return ("finding", f"{complaint}\n{error}") if complaint else ("refused", str(error))
    return "loaded", ""


def _is_small(net: Graph, elements: int) -> bool:
    """True if a few seconds are enough to compile the network, and to search for what explains wrong outputs."""
    steps = sum(layer.type.count * layer.channels for layer in net.layers if isinstance(layer, Requantise))
    return max(net.macs, elements, steps // 16) <= COMPILED_MACS


def _audit(net: Graph, samples: list[Array], outputs: list[Array]) -> None:
    """Golden outputs that are all wrong send the audit through every way of explaining them."""
    wrong = [np.asarray(array + 1 if array.dtype.kind in "iuf" else ~array) for array in outputs]
    try:
        bw.verify(net, samples, wrong, trace=True)
    except bw.BitwrightError as error:
        if not error.where or not error.hint:
            raise


def _again(path: Path) -> None:
    """With PyTorch's ties, and with a type on every input."""
    for options in ({"rounding": "torch"}, {"inputs": {name: "s8.4" for name in bw.load(path).before.inputs}}):
        try:
            verify(bw.load(path, **options))
        except bw.BitwrightError as error:
            if not error.where or not error.hint or error.what.startswith(MALFORMED):
                raise


def _compile(net: Graph) -> None:
    try:
        design = bw.compile(net)
        for backend in ("hls", "verilog"):
            for path in design.files(backend):
                assert not Path(path).is_absolute() and ".." not in Path(path).parts, path
    except bw.BitwrightError as error:
        if not error.where or not error.hint:
            raise


def complaint_of(error: bw.BitwrightError) -> str:
    """What is wrong with an error's text; nothing, if nothing is."""
    if not error.where.startswith(FILE):
        return "the error does not name the file"
    if error.what.startswith((MALFORMED, "needs more memory")):
        return "nothing foresaw this, the last resort caught it\n" + "".join(traceback.format_exception(error))
    if not error.what.strip() or not error.hint.strip():
        return "the error lacks its fact or its hint"
    if len(str(error)) > LONGEST_MESSAGE:
        return f"the error has {len(str(error))} characters"
    if bad := [c for c in str(error).replace("\n  hint: ", "") if not c.isprintable()]:
        return f"the error holds {bad[0]!r}, which a terminal obeys"
    return ""


def _sample(spec: TensorSpec) -> Array:
    rng = np.random.default_rng(0)
    shape, dtype = (2, *spec.shape), np.dtype(spec.dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.asarray(rng.integers(int(info.min), int(info.max), shape, dtype=dtype, endpoint=True))
    values: Any = rng.normal(0, 3, shape)
    return np.asarray(values > 0 if dtype.kind == "b" else values.astype(dtype))
