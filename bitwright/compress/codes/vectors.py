# SPDX-License-Identifier: Apache-2.0
"""Neighbouring codes that are shared together: a table of short vectors, and an index for each place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.codes.packed import Codes

Floats = NDArray[np.float64]
LENGTH = 4
"""Of a vector."""
ROUNDS = 30
"""Of k-means, at most."""


def shared_vectors(codes: Codes, values: int, moments: Floats | None = None) -> Codes:
    """The codes, of whose short vectors no more than `values` differ: each row is cut into pieces of four.

    Wu, Leng, Wang, Hu, Cheng: "Quantized convolutional neural networks for mobile devices", CVPR 2016, arXiv
    1512.06473; R043. With the second moments of what each term is multiplied with, (terms, terms), the outputs' error
    is what is least, not that of the codes (Stock, Joulin, Gribonval, Graham, Jégou: "And the bit goes down: revisiting
    the quantization of neural networks", ICLR 2020, arXiv 1907.05686; R044).
    """
    rows = codes.reshape(len(codes), -1)
    pieces = -(-rows.shape[1] // LENGTH)
    padded = np.zeros((len(rows), pieces * LENGTH))
    padded[:, : rows.shape[1]] = rows
    points = padded.reshape(-1, LENGTH)
    weights = _pieces(moments, rows.shape[1], pieces, len(rows))
    centres = np.rint(clustered(points, weights, values))
    made = centres[assigned(points, weights, centres)].reshape(len(rows), -1)[:, : rows.shape[1]]
    return np.asarray(made.reshape(codes.shape), np.int32)


def clustered(points: Floats, weights: Floats, count: int) -> Floats:
    """Centres at which the weighted squares of the distances come to rest, each step no worse than the one before."""
    known: Floats = np.unique(points, axis=0)
    if len(known) <= count:
        return np.asarray(known)
    centres = known[np.linspace(0, len(known) - 1, count).astype(int)]
    for _ in range(ROUNDS):
        index = assigned(points, weights, centres)
        moved = centres.copy()
        for place in np.unique(index):
            held = index == place
            products = weights[held].sum(axis=0)
            aim = np.einsum("nij,nj->i", weights[held], points[held])
            moved[place] = np.linalg.lstsq(products, aim, rcond=None)[0]
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.asarray(centres)


def assigned(points: Floats, weights: Floats, centres: Floats) -> NDArray[np.int64]:
    """The centre at which each point's weighted square is least."""
    costs = [np.einsum("ni,nij,nj->n", points - centre, weights, points - centre) for centre in centres]
    return np.asarray(np.argmin(costs, axis=0))


def _pieces(moments: Floats | None, terms: int, pieces: int, rows: int) -> Floats:
    """The moments of each piece of each row; what is beyond a row's end has none."""
    held = np.zeros((pieces * LENGTH, pieces * LENGTH))
    held[:terms, :terms] = np.eye(terms) if moments is None else moments
    each = [held[at : at + LENGTH, at : at + LENGTH] for at in range(0, pieces * LENGTH, LENGTH)]
    return np.tile(np.array(each), (rows, 1, 1))


SHARINGS = {"vectors": shared_vectors}
