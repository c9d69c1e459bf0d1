# SPDX-License-Identifier: Apache-2.0
"""Every move against the independent checker's reading of it, and found again from its bare places."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.check.moves import index_of
from bitwright.check.ranges import FIELDS
from bitwright.check.saved import CheckError, read_graph
from bitwright.ir.files import from_bytes, to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Input
from bitwright.ir.moves import Move, Pad, Repeat, Shape, Slice, Spread, Take, ToSpace, Transpose, as_move
from bitwright.ir.parsing import parse
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.printing import constants, print_graph
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

REAL = {"type": IntType(-8, 7), "scale": ONES, "zero": ZEROS}
MOVES: list[tuple[Shape, Move]] = [
    ((2, 3, 4), Transpose((2, 0, 1))),
    ((2, 3, 4), Transpose((1, 0, 2))),
    ((1, 2, 1, 3), Transpose((0, 3, 2, 1))),
    ((5,), Slice((4,), (-2,), (3,))),
    ((5, 4, 2), Slice((1, 3, 0), (2, -1, 1), (2, 4, 1))),
    ((2, 3, 4), Pad(((1, 0), (0, 2), (1, 1)))),
    ((3,), Pad(((0, 2),))),
    ((2, 3, 2), Repeat((2, 3, 1))),
    ((2, 3, 2), Repeat((1, 1, 2))),
    ((2, 3, 2), Spread((2, 3))),
    ((1, 4, 1), Spread((1, 2))),
    ((2, 3, 4), ToSpace((2, 2), 1, (4, 6))),
    ((2, 3, 8), ToSpace((2, 2), 2, (4, 6))),
    ((2, 3, 12), ToSpace((2, 3), 2, (3, 8))),
    ((2, 3, 4), ToSpace((1, 2), 1, (2, 5))),
    ((2, 3, 4), ToSpace((2, 1), 2, (4, 3))),
    ((2, 3), Take(Weights(np.array([[0, 5, -1], [2, 2, 4]])))),
]


def network(shape: Shape, move: Move, made: Shape | None = None) -> Graph:
    entry = Input(name="x", inputs=(), shape=shape, **REAL)
    layer = Gather(name="y", inputs=("x",), shape=made or move.makes(shape) or (1,), move=move, **REAL)
    return Graph((entry,), (layer,), ("y",))


@pytest.mark.parametrize(("shape", "move"), MOVES)
def test_a_move_means_to_the_checker_what_it_means_here(shape: Shape, move: Move) -> None:
    graph = network(shape, move)
    source, layer = read_graph(to_bytes(graph), FIELDS)
    np.testing.assert_array_equal(index_of(layer, source), move.index(shape))
    assert move.makes(shape) == move.index(shape).shape


@pytest.mark.parametrize(("shape", "move"), MOVES)
def test_a_move_is_found_again_from_its_places(shape: Shape, move: Move) -> None:
    assert as_move(move.index(shape), shape) == move


@pytest.mark.parametrize(("shape", "move"), MOVES)
def test_a_move_is_read_as_it_was_written(shape: Shape, move: Move) -> None:
    graph = network(shape, move)
    assert from_bytes(to_bytes(graph)) == graph
    assert parse(print_graph(graph), constants(graph)) == graph


@pytest.mark.parametrize("seed", range(200))
def test_any_places_are_a_move(seed: int) -> None:
    """Places of every kind, near a move and far from one."""
    rng = np.random.default_rng(seed)
    shape, move = MOVES[seed % len(MOVES)]
    index = np.array(move.index(shape))
    for _ in range(int(rng.integers(1, 3))):
        index[tuple(rng.integers(n) for n in index.shape)] = rng.integers(-1, np.prod(shape))
    found = as_move(index, shape)
    assert found.makes(shape) == index.shape
    np.testing.assert_array_equal(found.index(shape), index)


@pytest.mark.parametrize(
    ("shape", "move", "made"),
    [
        ((2, 3), Transpose((0, 0)), (2, 2)),
        ((2, 3), Transpose((1, 0)), (2, 3)),
        ((2, 3), Slice((0, 1), (1, 1), (2, 3)), (2, 3)),
        ((2, 3), Slice((0, 0), (1, 1), (2, 2)), (2, 3)),
        ((2, 3), Pad(((0, 0), (-1, 0))), (2, 2)),
        ((2, 3), Pad(((1, 0), (0, 0))), (2, 3)),
        ((2, 3), Repeat((0, 1)), (1, 3)),
        ((2, 3), Repeat((2, 1)), (2, 3)),
        ((2, 3, 1), Spread((2, 2)), (4, 5, 1)),
        ((2, 3, 4), ToSpace((2, 2), 1, (4, 7)), (4, 7, 1)),
        ((2, 3, 4), ToSpace((2, 2), 2, (4, 6)), (4, 6, 1)),
        ((2, 3), Take(Weights(np.array([6]))), (1,)),
        ((2, 3), Repeat((1 << 30, 1 << 30)), (1 << 31, 3 << 30)),
    ],
)
def test_a_move_that_does_not_fit_is_refused_by_both(shape: Shape, move: Move, made: Shape) -> None:
    graph = network(shape, move, made)
    source, layer = read_graph(to_bytes(graph), FIELDS)
    with pytest.raises(CheckError, match="layer 'y'"):
        index_of(layer, source)
    assert move.makes(shape) != made or np.prod(made) > 1 << 26
