# SPDX-License-Identifier: Apache-2.0
"""Graphs rewritten by a pass that one asks for by name; every output keeps each of its bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature

from bitwright.compress.family import Family
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.passes import Pass, pipeline

PASSES: Family[Callable[..., Pass]] = Family("bitwright.rewriting", "PASSES")
"""What makes each pass, by name, of the numbers that it takes."""


def rewrite(net: Graph, name: str, *numbers: int) -> Graph:
    """`net` by the pass `name` with its numbers, those left out as they are by default: the same integers leave it.

    `rewrite(net, "bitplanes", 2, 2)` makes layers with weights of sums of layers of 2-bit weights and inputs.
    """
    where = f"pass {name}"
    if name not in PASSES:
        raise BitwrightError("there is none of that name", where=where, hint="the passes are " + ", ".join(PASSES))
    takes = list(signature(PASSES[name]).parameters)
    if len(numbers) > len(takes):
        hint = f"they are {', '.join(takes)}" if takes else f"name it alone: {name}"
        raise BitwrightError(f"takes {len(takes)} numbers, not {len(numbers)}", where=where, hint=hint)
    return pipeline(PASSES[name](*numbers))(net)


def rewritten(net: Graph, asked: Sequence[str]) -> Graph:
    """`net` by each of the passes `NAME` or `NAME=N,N`, in order."""
    for text in asked:
        name, _, said = text.partition("=")
        try:
            numbers = [int(number) for number in said.split(",")] if said else []
        except ValueError:
            hint = f"for example --pass {name}=2,2"
            raise BitwrightError("is not NAME or NAME=N,N", where=f"--pass {text}", hint=hint) from None
        net = rewrite(net, name, *numbers)
    return net
