# SPDX-License-Identifier: Apache-2.0
"""Input quantisers: QuantizeLinear, or the quantiser of QONNX that has the rounding, the zero point and the width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitwright.backends.onnx.host import Value, coding, fits
from bitwright.backends.onnx.quantise import quantised
from bitwright.backends.onnx.tensors import Tensor, number
from bitwright.backends.onnx.writer import FLOAT, QONNX, Writer
from bitwright.ir.errors import BitwrightError
from bitwright.ir.host_ops import CountLevels, Quantise
from bitwright.ir.rounding import Rounding
from bitwright.ir.types import IntType, integer

MODES = {
    Rounding.HALF_EVEN: "ROUND",
    Rounding.HALF_AWAY: "HALF_UP",
    Rounding.HALF_ZERO: "HALF_DOWN",
    Rounding.FLOOR: "FLOOR",
    Rounding.CEIL: "CEIL",
    Rounding.TO_ZERO: "DOWN",
    Rounding.FROM_ZERO: "UP",
}
"""QONNX's names of the roundings that it has."""


def write_quantise(write: Writer, stem: str, name: str, does: Quantise | CountLevels, x: Value) -> Tensor:
    """The codes of an input quantiser called `name`, as floats; it computes in float32."""
    x = _float32(write, stem, x)
    if isinstance(does, CountLevels):
        return _counted(write, name, does, x)
    scale, before, after, kind = coding(does)
    source = x.name
    if does.reciprocal:
        factor = np.float32(1) / np.float32(scale)
        source, scale = write.step("Mul", source, stem, number(float(factor), np.float32)), 1.0
    if does.rounding is Rounding.HALF_EVEN and before == 0 and fits(kind, after):
        return quantised(write, source, name, number(scale, np.float32), int(after), kind)
    if scale != 1:
        source = write.step("Div", source, stem, number(scale, np.float32))
    one = write.constant(number(1, np.float32), f"{name}.scale")
    if does.rounding is Rounding.SIGN and before == 0:
        return Tensor(write.node("BipolarQuant", (source, one), name, domain=QONNX))
    return _qonnx(write, name, (source, one), kind, (before, after), does.rounding)


def _float32(write: Writer, stem: str, x: Value) -> Value:
    return x if x.kind is np.float32 else replace(x, name=write.cast(x.name, stem, FLOAT), kind=np.float32)


def _qonnx(
    write: Writer, name: str, reads: tuple[str, str], kind: IntType, offsets: tuple[float, float], rounding: Rounding
) -> Tensor:
    """The codes `kind` as QONNX's Quant makes them; `offsets` are added before and after rounding."""
    before, after = offsets
    form = _quant_form(kind)
    if form is None or after or before != int(before) or rounding not in MODES:
        raise BitwrightError(
            f"quantises to the codes {kind}, for which no quantiser of ONNX or QONNX has a type",
            where=f"input layer '{name}'",
            hint="give the input a type of full width, for example --input NAME=s16.8",
        )
    bits, signed, narrow = form
    numbers = [
        write.constant(number(v, np.float32), f"{name}.{what}") for v, what in ((before, "zero"), (bits, "bits"))
    ]
    attributes = {"signed": signed, "narrow": narrow, "rounding_mode": MODES[rounding]}
    made = write.node("Quant", (*reads, *numbers), name, domain=QONNX, **attributes)
    return Tensor(made, offset=(int(before),))


def _quant_form(kind: IntType) -> tuple[int, int, int] | None:
    """(bits, signed, narrow) of the Quant that has these codes, which float32 must hold."""
    for signed in (False, True):
        for narrow in (False, True):
            for bits in range(1 + signed + (signed and narrow), 25):
                if integer(bits, signed=signed, narrow=narrow) == kind:
                    return bits, int(signed), int(narrow)
    return None


def _counted(write: Writer, name: str, does: CountLevels, x: Value) -> Tensor:
    levels = np.asarray(does.levels.array)
    axis = next((i for i, n in enumerate(levels.shape[:-1]) if n > 1), 1)
    matrix = write.constant(levels.reshape(-1, levels.shape[-1]), f"{name}.thresholds")
    layout = "".join("C" if i == axis else "N" if i == 0 else "X" for i in range(len(x.shape) + 1))
    factors = {"out_scale": float(does.step), "out_bias": float(does.first), "data_layout": layout}
    return Tensor(write.node("MultiThreshold", (x.name, matrix), name, domain=QONNX, **factors))
