# SPDX-License-Identifier: Apache-2.0
"""A network written in Python, layer by layer: integers, with exact real values that follow from those of its inputs.

A type is written as on the command line: `u8`, `s4n` (narrow), `bipolar`, `s16.8` (of scale 1/256), `u8/255` (of scale
1/255), or with its exact range, `u4[3..15]`. A number may be an int, a Fraction or a float, which counts for exactly
the binary number that it holds; where each channel may have its own, a sequence of them may be given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from bitwright.exact.tabulate import tabulate
from bitwright.frontend import scales
from bitwright.frontend.given import (
    Kind,
    Named,
    Numbers,
    Stated,
    integers,
    kind_of,
    numbers,
    rounding_of,
    scale_of,
    weights_of,
    window_of,
)
from bitwright.frontend.growing import Growing, Operand, pad_of, where_of, whole_zero, windowed
from bitwright.frontend.values import ONE, ZERO
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import Affine, Step, function_of
from bitwright.ir.layers import (
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Rounding,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.moves import as_move
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, width
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.verify import verify_layer
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Pads, Pair


class Net(Growing):
    """A graph under construction; every method adds a layer and returns it, for later ones to read.

    Examples:
        >>> net = Net("tiny")
        >>> x = net.input("x", (4, 4, 1), "u8/255")
        >>> y = net.conv(x, [[[[1], [-2]], [[3], [1]]]], weight_scale=0.5)
        >>> y.shape, str(y.type), str(y.scale.of(0))
        ((3, 3, 1), 's12[-510..1275]', '1/510')
        >>> y = net.requantise(y, "u4", scale=0.125, bias=0.25)
        >>> net.output(y)
        >>> graph = net.graph()
        >>> print(*(layer.name for layer in graph.layers))
        conv0 act1
    """

    def input(
        self, name: str, shape: tuple[int, ...], kind: Kind, *, scale: Numbers | None = None, zero: Numbers = 0
    ) -> Input:
        """Integers that enter, of a shape without samples: (height, width, channels), or (features,)."""
        where = f"input {name!r}"
        of_kind, own = kind_of(kind, where)
        step, centre = scale_of(scale, where, shape[-1], own), numbers(zero, where, shape[-1])
        return self.add(Input(name=name, inputs=(), shape=integers(shape), type=of_kind, scale=step, zero=centre))

    # Sums of products

    def dense(self, x: Operand, weights: ArrayLike, *, weight_scale: Numbers = 1, **stated: Unpack[Stated]) -> Dense:
        """Weights (outputs, inputs) times the last axis; `weight_scale` is the real value of a weight of 1."""
        source, head = self[x], self.head("dense", stated, x)
        array = weights_of(weights, where_of(head), "outputs", "inputs")
        layer = Dense(**head | {"shape": (*source.shape[:-1], len(array.array))}, weights=array)
        factor = scale_of(weight_scale, where_of(head), len(array.array), ONE)
        return self.derive(layer, lambda: scales.of_products(source, array.array, 1, factor), stated)

    def conv(
        self,
        x: Operand,
        weights: ArrayLike,
        *,
        weight_scale: Numbers = 1,
        strides: Pair = (1, 1),
        dilations: Pair = (1, 1),
        pads: Pads = (0, 0, 0, 0),
        groups: int = 1,
        pad_value: int | None = None,
        **stated: Unpack[Stated],
    ) -> Conv:
        """Weights (outputs, kernel height, kernel width, inputs / groups) over an image (height, width, channels).

        `pads` are (top, left, bottom, right) and hold the zero point of `x`, or `pad_value`.

        Examples:
            >>> net = Net()
            >>> x = net.input("x", (8, 8, 2), "u4")
            >>> net.conv(x, [[[[1, 0]] * 3] * 3] * 4, pads=(1, 1, 1, 1), strides=(2, 2)).shape
            (4, 4, 4)
        """
        source, head = self[x], self.head("conv", stated, x)
        array = weights_of(weights, where_of(head), "outputs", "kernel height", "kernel width", "inputs / groups")
        pad = pad_of(source, pads, pad_value, where_of(head))
        kernel = array.array.shape[1:3]
        window = window_of(where_of(head), kernel=kernel, strides=strides, dilations=dilations, pads=pads)
        made = Conv(**head, window=window, weights=array, groups=groups, pad_value=pad)
        layer = windowed(made, source, len(array.array))
        factor = scale_of(weight_scale, where_of(head), len(array.array), ONE)
        return self.derive(layer, lambda: scales.of_products(source, array.array, groups, factor), stated)

    def sum_pool(
        self,
        x: Operand,
        kernel: Pair,
        strides: Pair | None = None,
        *,
        dilations: Pair = (1, 1),
        pads: Pads = (0, 0, 0, 0),
        pad_value: int | None = None,
        **stated: Unpack[Stated],
    ) -> SumPool:
        """The sum of each window; windows lie side by side unless `strides` are given. An average is a smaller scale.

        Examples:
            >>> net = Net()
            >>> x = net.input("x", (8, 8, 3), "u8/255")
            >>> mean = net.requantise(net.sum_pool(x, (8, 8), scale=x.scale / 64), "u8/255")
            >>> str(mean.multiplier.of(0))
            '1/64'
        """
        source, head = self[x], self.head("sumpool", stated, x)
        pad = pad_of(source, pads, pad_value, where_of(head))
        window = window_of(where_of(head), kernel=kernel, strides=strides or kernel, dilations=dilations, pads=pads)
        layer = windowed(SumPool(**head, window=window, pad_value=pad), source, source.channels)
        ones = np.ones((source.channels, *kernel, 1), dtype=np.int64)
        return self.derive(layer, lambda: scales.of_products(source, ones, source.channels, ONES), stated)

    # Joins

    def sum(
        self, *operands: Operand, factors: Sequence[int | Sequence[int]] | None = None, **stated: Unpack[Stated]
    ) -> Sum:
        """The sum of real values, exact whatever their scales; or with `factors` that of multiples of the integers.

        Examples:
            >>> net = Net()
            >>> y = net.sum(net.input("a", (4,), "s8.4"), net.input("b", (4,), "u8/3"))
            >>> y.factors, str(y.scale.of(0))
            (((3,), (16,)), '1/48')
        """
        head, reads = self.head("sum", stated, *operands), [self[x] for x in operands]
        rows = tuple(integers(row) for row in factors or (1,) * len(reads))
        layer = Sum(**head, factors=rows)
        if factors is not None:
            return self.derive(layer, lambda: (scales.common(reads), scales.of_weighted(reads, rows)), stated)
        verify_layer(layer, self._layers)
        exact, real = scales.of_sum(reads)
        return self.derive(replace(layer, factors=exact), lambda: real, stated)

    def multiply(self, a: Operand, b: Operand, *, zeros: Pair | None = None, **stated: Unpack[Stated]) -> Multiply:
        """The product of real values, element by element; `zeros` are the operands' zero points unless stated."""
        head, reads = self.head("multiply", stated, a, b), [self[a], self[b]]
        first, second = zeros or (whole_zero(x, where_of(head)) for x in reads)
        layer = Multiply(**head, zeros=(first, second))
        return self.derive(layer, lambda: scales.of_product(*reads), stated)

    def concat(self, *operands: Operand, **stated: Unpack[Stated]) -> Concat:
        """The operands side by side along the channels, each with its own scale and zero point."""
        head, reads = self.head("concat", stated, *operands), [self[x] for x in operands]
        shape = (*head["shape"][:-1], sum(x.channels for x in reads) or 1)
        return self.derive(Concat(**head | {"shape": shape}), lambda: scales.of_concat(reads), stated)

    # Codes of codes

    def requantise(
        self,
        x: Operand,
        kind: Kind,
        *,
        scale: Numbers | None = None,
        zero: int = 0,
        gain: Numbers = 1,
        bias: Numbers = 0,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        slope: Numbers = (),
        **named: Unpack[Named],
    ) -> Requantise:
        """The nearest codes of the real value gain * x + bias: clip(R(value / scale)) + zero.

        Bias, batch normalisation (`gain`, `bias` for each channel) and ReLU (an unsigned type) fold into it; a positive
        `slope` is that of a leaky ReLU in front of it. The scale is that of the type (1/255 of `u8/255`, 1 of `u8`)
        unless given, and `zero` is the code of 0. `bipolar` codes are signs.

        Examples:
            >>> net = Net()
            >>> y = net.requantise(net.input("x", (2,), "s8.4"), "u4", scale=0.25, bias=[1, -1])
            >>> [str(m) for m in y.multiplier.values], [str(b) for b in y.offset.values]
            (['1/4'], ['4', '-4'])
        """
        source, where = self[x], f"requantiser of {self[x].name!r}"
        of_kind, own = kind_of(kind, where)
        step = scale_of(scale, where, source.channels, own)
        slopes, starts = (numbers(each, where, source.channels) for each in (gain, bias))
        factor = slopes * source.scale
        return self.rescale(
            source,
            of_kind,
            multiplier=(factor / step).squeezed(),
            offset=((starts - factor * source.zero) / step).squeezed(),
            rounding=Rounding.SIGN if of_kind == BIPOLAR else rounding,
            shift=zero,
            slope=slope,
            scale=step,
            zero=zero,
            **named,
        )

    def rescale(
        self,
        x: Operand,
        kind: Kind,
        *,
        multiplier: Numbers = 1,
        offset: Numbers = 0,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        shift: int = 0,
        low: int | Sequence[int] | None = None,
        high: int | Sequence[int] | None = None,
        levels: Sequence[Sequence[int | float | Fraction]] = (),
        slope: Numbers = (),
        scale: Numbers | None = None,
        zero: Numbers = 0,
        **named: Unpack[Named],
    ) -> Requantise:
        """A requantiser by its numbers: clip(R(multiplier * x + offset), low, high) + shift.

        With rows of `levels` (one, or one for each channel) R counts those that the value reaches, as QONNX's
        `MultiThreshold` does. The limits are those of the type unless given; what a code means, `scale` and `zero` say.

        Examples:
            >>> net = Net()
            >>> y = net.rescale(net.input("x", (3,), "s8"), "u2", levels=[[-3, 0.5, 90]])
            >>> y.rounding.value, str(y.type)
            ('levels', 'u2')
        """
        head = self.head("act", named, x)
        where, channels = where_of(head), self[x].channels
        of_kind, own = kind_of(kind, where)
        real: dict[str, Any] = {
            "type": of_kind,
            "scale": scale_of(scale, where, channels, own),
            "zero": numbers(zero, where, channels),
        }
        return self.add(
            Requantise(
                **head | real,
                multiplier=numbers(multiplier, where, channels),
                offset=numbers(offset, where, channels),
                rounding=Rounding.LEVELS if levels else rounding_of(rounding, where),
                low=integers(of_kind.lo - shift if low is None else low),
                high=integers(of_kind.hi - shift if high is None else high),
                shift=shift,
                levels=tuple(numbers(row, where).values for row in levels),
                slope=numbers(slope, where),
            )
        )

    def table(
        self,
        x: Operand,
        kind: Kind,
        *function: str | tuple[str, ...] | Step,
        scale: Numbers | None = None,
        zero: int = 0,
        rounding: Rounding | str = Rounding.HALF_EVEN,
        **named: Unpack[Named],
    ) -> Table:
        """The nearest codes of a function of the real value of `x`, tabulated exactly over its codes.

        The function is one or more steps of `bitwright.ir.functions`, applied in order.

        Examples:
            >>> net = Net()
            >>> y = net.table(net.input("x", (3,), "s4.2"), "u8/255", ("leaky_relu", "1/8"), "sigmoid")
            >>> y.entries.array[[0, 8, 15]].tolist()
            [112, 128, 217]
        """
        source, head = self[x], self.head("table", named, x)
        of_kind, own = kind_of(kind, where_of(head))
        step = scale_of(scale, where_of(head), source.channels, own)
        if width(step, source.scale, source.zero) > 1:
            raise BitwrightError(
                "is the same function of every channel, and they have scales of their own",
                where=where_of(head),
                hint="requantise its input to one scale first",
            )
        steps = function_of(*function)
        steps = steps if step == ONES else (*steps, Affine(1 / step.of(0), ZERO))
        coding: dict[str, Any] = {
            "rounding": rounding_of(rounding, where_of(head)),
            "low": of_kind.lo - zero,
            "high": of_kind.hi - zero,
            "shift": zero,
        }
        entries = tabulate(steps, source.type, scale=source.scale.of(0), zero=source.zero.of(0), **coding)
        real: dict[str, Any] = {"type": of_kind, "scale": step, "zero": PerChannel.made(zero)}
        return self.add(Table(**head | real, entries=entries, function=steps, **coding))

    # What chooses and what moves

    def max_pool(
        self,
        x: Operand,
        kernel: Pair,
        strides: Pair | None = None,
        *,
        dilations: Pair = (1, 1),
        pads: Pads = (0, 0, 0, 0),
        **stated: Unpack[Stated],
    ) -> MaxPool:
        """The largest integer of each window; windows lie side by side unless `strides` are given."""
        source, head = self[x], self.head("maxpool", stated, x, kind=self[x].type)
        window = window_of(where_of(head), kernel=kernel, strides=strides or kernel, dilations=dilations, pads=pads)
        layer = windowed(MaxPool(**head, window=window), source, source.channels)
        return self.derive(layer, lambda: (source.scale, source.zero), stated)

    def arg_max(self, x: Operand, *, last: bool = False, **stated: Unpack[Stated]) -> ArgMax:
        """The place of the largest channel: of equals the first, or the `last`."""
        head = self.head("argmax", stated, x, kind=IntType(0, self[x].channels - 1))
        layer = ArgMax(**head | {"shape": (*self[x].shape[:-1], 1)}, last=int(last))
        return self.derive(layer, lambda: (ONES, ZEROS), stated)

    def gather(self, x: Operand, indices: ArrayLike, *, fill: int = 0, **stated: Unpack[Stated]) -> Gather:
        """Elements of the flattened `x` in the shape of `indices`, `fill` where the index is -1.

        Examples:
            >>> net = Net()
            >>> x = net.input("x", (2, 3, 1), "u4")
            >>> net.gather(x, net.places(x).transpose(1, 0, 2)).shape
            (3, 2, 1)
        """
        source, array = self[x], Weights(np.array(indices)).array
        head = self.head("gather", stated, x) | {"shape": array.shape}
        layer = Gather(**head, move=as_move(array, source.shape), fill=fill)
        return self.derive(layer, lambda: scales.of_elements(source, array), stated)

    def places(self, x: Operand) -> Ints:
        """The index of every element of a layer, in its shape: what to transpose, slice or pad for `gather`."""
        return scales.places(self[x].shape)

    def reshape(self, x: Operand, *shape: int, **stated: Unpack[Stated]) -> Reshape:
        """The same integers in the same order in another shape; all of them in one row if none is given."""
        source, index = self[x], self.places(x)
        head = self.head("reshape", stated, x, kind=source.type)
        layer = Reshape(**head | {"shape": integers(shape or index.size)})
        return self.derive(layer, lambda: scales.of_elements(source, index.reshape(layer.shape)), stated)
