# SPDX-License-Identifier: Apache-2.0
"""Weights as tensors of more axes: trains of small ones, and cores that the layers of a network share."""

from __future__ import annotations

from math import ceil, isqrt, prod

import numpy as np

from bitwright.compress.factor.stages import Array, Factoriser, Stage, is_windowed, kept


def tensor_train(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A chain of small tensors, one an axis: inputs, rows and columns of the window, outputs; of a matrix, two.

    Hrinchuk, Khrulkov, Mirvakhabova, Orlova, Oseledets: "Tensorized embedding layers for efficient model compression",
    arXiv 1901.10787; R143. The sides of a matrix are products, x1 x2 and y1 y2: one stage sums over x1 for each y1 and
    x2, and one over x2 for each y1. By singular values, one axis after the other: what is lost is what these leave out,
    and a matrix is the nearest of the rank.
    """
    if is_windowed(weight):
        first, rows, columns, last = train(_axes(weight), rank)
        return (
            Stage(first[0].T[:, :, None, None]),
            Stage(rows.transpose(2, 0, 1)[:, :, :, None], "rows"),
            Stage(columns.transpose(2, 0, 1)[:, :, None, :], "columns"),
            Stage(last[:, :, 0].T[:, :, None, None]),
        )
    (ins, inner), (outs, made) = (sides(size) for size in reversed(weight.shape))
    one, other = train(_matrix(weight), rank)
    ranks = one.shape[2]
    first = one.reshape(ins, outs, ranks).transpose(1, 2, 0).reshape(outs * ranks, ins, 1, 1)
    second = np.tile(other.reshape(ranks, inner, made).transpose(2, 0, 1)[:, :, None], (outs, 1, 1, 1))
    return Stage(first, times=inner), Stage(second, "columns", outs)


def train(tensor: Array, rank: int) -> list[Array]:
    """Tensors (rank before, axis, rank behind), whose product over the ranks is near a tensor: at most of a rank."""
    left, made = tensor.reshape(1, -1).astype(np.float64), []
    for size in tensor.shape[:-1]:
        before = len(left)
        ours, values, others = np.linalg.svd(left.reshape(before * size, -1), full_matrices=False)
        made.append(ours[:, :rank].reshape(before, size, -1))
        left = values[:rank, None] * others[:rank]
    return [*made, left.reshape(len(left), -1, 1)]


def sides(size: int) -> tuple[int, int]:
    """Two factors of a number, as near to each other as there are; the smaller one first."""
    small = next(each for each in range(isqrt(size), 0, -1) if size % each == 0)
    return small, size // small


def shared_tucker(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A product to fewer inputs, a core and a product to all outputs, where alike layers have the same two products.

    T-Net (Kossaifi, Bulat, Tzimiropoulos, Pantic: "T-Net: parametrizing fully convolutional nets with a single
    high-order tensor", CVPR 2019, arXiv 1904.02698; R144). The kernels of one shape are one tensor, with an axis for
    the layer: directions of outputs and of inputs are those of all, stored once, and cores are sums of few.
    """
    assert moments is not None
    layers, outs, ins = directions(moments, rank)
    place = next(place for place, each in enumerate(moments) if np.array_equal(each, weight))
    mixed = np.tensordot(layers @ layers[place], moments.astype(np.float64), axes=1)
    core = np.einsum("oihw,or,is->rshw", mixed, outs, ins)
    point = (slice(None), slice(None), None, None)
    return Stage(ins.T[point]), Stage(core, "both"), Stage(outs[point])


def directions(stack: Array, rank: int) -> tuple[Array, Array, Array]:
    """Those of layers, outputs and inputs that have most of some kernels: a rank of outputs, others in proportion."""
    sizes = stack.shape[:3]
    ranks = [min(size, ceil(rank * size / sizes[1])) for size in sizes]
    rows = [np.moveaxis(stack, axis, 0).reshape(size, -1).astype(np.float64) for axis, size in enumerate(sizes)]
    found = [np.linalg.eigh(each @ each.T)[1][:, ::-1][:, :most] for each, most in zip(rows, ranks, strict=True)]
    return found[0], found[1], found[2]


def _axes(weight: Array) -> Array:
    """Inputs, rows, columns, outputs."""
    return weight.transpose(1, 2, 3, 0)


def _matrix(weight: Array) -> Array:
    """A matrix of two sides as (x1 and y1, x2 and y2)."""
    (outs, made), (ins, inner) = map(sides, weight.shape)
    return weight.reshape(outs, made, ins, inner).transpose(2, 0, 3, 1).reshape(ins * outs, inner * made)


def _train_energy(weight: Array, moments: Array | None) -> Array:
    if not is_windowed(weight):
        return kept(np.linalg.svd(_matrix(weight).astype(np.float64), compute_uv=False))
    tensor, whole = _axes(weight), max(float((weight.astype(np.float64) ** 2).sum()), 1e-30)
    sizes = tensor.shape
    most = max(min(prod(sizes[:axis]), prod(sizes[axis:])) for axis in range(1, len(sizes)))
    ends = [train(tensor, rank)[-1] for rank in range(1, most + 1)]  # what comes before is orthonormal
    return np.maximum.accumulate([float((end**2).sum()) / whole for end in ends])


def _shared_energy(weight: Array, moments: Array | None) -> Array:
    assert moments is not None
    whole, shares = max(float((moments.astype(np.float64) ** 2).sum()), 1e-30), []
    for rank in range(1, len(weight) + 1):
        core = np.einsum("loihw,la,or,is->arshw", moments, *directions(moments, rank), optimize=True)
        shares.append(float((core**2).sum()) / whole)
    return np.maximum.accumulate(shares)


def _is_product(weight: Array) -> bool:
    return weight.ndim == 2 and min(sides(size)[0] for size in weight.shape) > 1


FACTORISERS = {
    "tensor-train": Factoriser(tensor_train, _train_energy, lambda weight: is_windowed(weight) or _is_product(weight)),
    "shared-tucker": Factoriser(shared_tucker, _shared_energy, is_windowed, "alike"),
}
