# SPDX-License-Identifier: Apache-2.0
"""What the modules of both libraries need of their sizes, in the words in which they refuse others.

A simulator or a compiler would refuse a project that breaks one: so a design is checked when it is lowered.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from bitwright.exact.forms import MultiplyShift
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.timing import width_ratios
from bitwright.hardware.kernels.windows import ParallelWindow, Sliding, Window
from bitwright.ir.errors import BitwrightError

FRAME = "a frame must take fewer than 2^31 beats"
Needs = Iterator[tuple[bool, str]]
"""Whether each need is kept, and its words."""


def check_needs(graph: KernelGraph) -> KernelGraph:
    """`graph` itself; BitwrightError names the layer of a kernel that its modules would refuse."""
    for kernel in graph.kernels:
        said = broken(kernel)
        if said == FRAME:
            hint = "ask for fewer clocks per frame: more lanes take fewer beats"
            raise BitwrightError(said, where=f"layer '{kernel.layer}'", hint=hint)
        if said:
            what = f"its {type(kernel).__name__} would be refused: {said}"
            raise BitwrightError(what, where=f"layer '{kernel.layer}'", hint="report this as a bug")
    return graph


def broken(kernel: Kernel) -> str:
    """The first need of its modules that `kernel` does not keep, or an empty string."""
    return next((said for kept, said in _needs(kernel) if not kept), "")


def _needs(kernel: Kernel) -> Needs:
    match kernel:
        case MatrixVector() | SparseMatrixVector():
            yield from _matrix(kernel)
        case Depthwise():
            yield min(kernel.vectors, kernel.blocks, kernel.fold) > 0, "there must be a pixel and a channel"
            yield min(kernel.lanes, kernel.multiplier, kernel.simd) > 0, "lanes must be positive"
            yield _fits(kernel.vectors * kernel.blocks * kernel.fold), FRAME
        case Sliding():
            yield from _window(kernel)
        case MaxReduce() | SumReduce():
            yield min(kernel.fold, kernel.groups) > 0, "there must be a window"
            yield _fits(kernel.fold * kernel.groups), FRAME
        case ArgMaxReduce():
            yield from _arg_max(kernel)
        case Requantiser():
            yield min(kernel.lanes, kernel.folds) > 0, "there must be a channel"
            yield kernel.beats % max(kernel.folds, 1) == 0, "a frame must be whole pixels"
            if isinstance(kernel.form, MultiplyShift) and kernel.form.window.array.any():
                yield kernel.form.s > 0, "without a fraction there are no ties"
        case WidthConverter():
            yield min(kernel.in_lanes, kernel.out_lanes) > 0, "a word needs at least one lane"
            yield kernel.elements % kernel.in_lanes == 0, "a frame must be whole input words"
            yield kernel.elements % kernel.out_lanes == 0, "a frame must be whole output words"
            yield max(width_ratios(kernel)) > 1, "Ratio must be at least 2"


def _matrix(kernel: MatrixVector | SparseMatrixVector) -> Needs:
    if isinstance(kernel, SparseMatrixVector):
        yield min(kernel.vectors, kernel.col_fold) > 0, "there must be a vector"
        yield min(kernel.ports, kernel.pe, kernel.simd) > 0, "ports, PE and SIMD must be positive"
        yield kernel.words >= kernel.row_fold > 0, "each row fold has a word"
        words = max(kernel.words, kernel.col_fold)
    else:
        yield min(kernel.vectors, kernel.groups) > 0, "there must be a vector and a matrix"
        yield min(kernel.pe, kernel.simd) > 0, "PE and SIMD must be positive"
        yield kernel.rows % kernel.pe == 0, "PE must divide the number of rows"
        yield kernel.cols % kernel.simd == 0, "SIMD must divide the number of columns"
        words = kernel.groups * kernel.row_fold * kernel.col_fold
    if isinstance(kernel, SelectMatrixVector):
        yield kernel.simd // kernel.group > 0, "PE and sets must be positive"
        yield 0 < kernel.kept < kernel.group, "some of the neighbours are multiplied, not all"
        yield kernel.simd % kernel.group == 0, "a beat must divide the columns"
    yield _fits(kernel.vectors * words), FRAME
    yield from _arithmetic(kernel)


def _arithmetic(kernel: MatrixVector | SparseMatrixVector) -> Needs:
    match kernel.style:
        case "dsp":
            shared = kernel.packing
            yield shared.width > (shared.lanes - 1) * shared.stride, "PackW does not reach the last lane"
        case "xnor":
            both = kernel.weight_type.is_bipolar and kernel.x_type.is_bipolar
            yield both, "XNOR multiplies bipolar by bipolar"
        case "ternary":
            yield kernel.weight_type.bits <= 2, "a weight has one or two bits"
        case "lut":
            pass


def _window(kernel: Sliding) -> Needs:
    size, out = (kernel.height, kernel.width), (kernel.out_height, kernel.out_width)
    (rows, columns), (top, left, _, _) = _reach(kernel), kernel.pads
    yield min(*size, kernel.blocks) > 0, "the input is empty"
    yield min(*kernel.kernel, *out) > 0, "no output"
    yield min(kernel.strides) > 0, "a stride must be positive"
    yield min(kernel.dilations) > 0, "a dilation must be positive"
    yield min(top, left) >= 0, "a pad must not be negative"
    if isinstance(kernel, Window):
        pixel = kernel.blocks * kernel.inner
        field = (rows * kernel.width + columns) * pixel
        last = [(o - 1) * stride - pad for o, stride, pad in zip(out, kernel.strides, (top, left), strict=True)]
        yield kernel.depth > field + pixel - 1, "Depth does not hold one receptive field"
        yield last[0] < kernel.height and last[1] < kernel.width, "the last window starts beyond the image"
        yield _fits(kernel.in_beats + kernel.out_beats), FRAME
    if isinstance(kernel, ParallelWindow):
        beyond = kernel.height + out[0] * kernel.strides[0] + kernel.kernel[0] * kernel.dilations[0]
        in_order = out[0] == 1 or (out[1] - 1) * kernel.strides[1] < kernel.strides[0] * kernel.width
        apart = kernel.kernel[0] == 1 or kernel.dilations[0] * kernel.width > columns
        yield _fits(beyond * kernel.width * kernel.blocks), FRAME
        yield apart, "the image is narrower than the kernel"
        yield top <= rows and left <= columns, "a pad must be less than the kernel"
        yield in_order, "windows must come in the order of their newest pixels"
        yield kernel.period >= prod(size), "Period must hold a frame"


def _reach(kernel: Sliding) -> tuple[int, int]:
    """(rows, columns) from the first kernel position to the last."""
    rows, columns = ((k - 1) * d for k, d in zip(kernel.kernel, kernel.dilations, strict=True))
    return rows, columns


def _arg_max(kernel: ArgMaxReduce) -> Needs:
    places = kernel.fold * kernel.lanes
    yield min(kernel.fold, kernel.groups, kernel.lanes) > 0, "there must be a channel"
    yield kernel.last in (0, 1), "Last says which of equals wins: 0 or 1"
    yield _fits(kernel.fold * kernel.groups), FRAME
    yield places <= 1 << kernel.y_type.bits, "Y must hold every place"


def _fits(beats: int) -> bool:
    return beats < 1 << 31
