# SPDX-License-Identifier: Apache-2.0
"""Matrices and kernels of low rank: by channels, by the axes of the window, by both sides at once, by what comes in."""

from __future__ import annotations

from math import ceil

import numpy as np

from bitwright.compress.factor.stages import Array, Factoriser, Stage, is_windowed, kept


def by_channels(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A layer to fewer outputs, and a product at each place to all of them: the nearest weight of the rank.

    Denton, Zaremba, Bruna, LeCun, Fergus: "Exploiting linear structure within convolutional networks for efficient
    evaluation", NeurIPS 2014, arXiv 1404.0736; R138. The error is that of the singular values that are left out.
    """
    left, values, right = np.linalg.svd(_rows(weight), full_matrices=False)
    root = np.sqrt(values[:rank])
    first = (root[:, None] * right[:rank]).reshape(rank, *weight.shape[1:])
    return Stage(first, "both" if weight.ndim > 2 else "none"), _pointwise(left[:, :rank] * root, weight)


def by_axes(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A window of one column to a few channels, and one of one row from these: the nearest sum of so many products.

    Jaderberg, Vedaldi, Zisserman: "Speeding up convolutional neural networks with low rank expansions", BMVC 2014,
    arXiv 1405.3866; R138.
    """
    outputs, inputs, high, wide = weight.shape
    left, values, right = np.linalg.svd(_turned(weight), full_matrices=False)
    root = np.sqrt(values[:rank])
    first = (left[:, :rank] * root).T.reshape(rank, inputs, high, 1)
    second = (root[:, None] * right[:rank]).reshape(rank, outputs, 1, wide).swapaxes(0, 1)
    return Stage(first, "rows"), Stage(second, "columns")


def tucker(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A product to fewer inputs at each place, a smaller kernel, and a product to all outputs: fewer on both sides.

    Kim, Park, Yoo, Choi, Yang, Shin: "Compression of deep convolutional neural networks for fast and low power mobile
    applications", ICLR 2016, arXiv 1511.06530; R141. Fewer inputs in the proportion of fewer outputs, each side that of
    its largest singular values.
    """
    outs, ins = _sides(weight, rank)
    core = np.einsum("oihw,or,is->rshw", weight, outs, ins)
    return _pointwise(ins.T, weight), Stage(core, "both"), _pointwise(outs, weight)


def by_inputs(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A product at each place to the directions in which the inputs are largest, and the layer on these.

    Minnehan, Savakis: "Cascaded projection: end-to-end network compression and acceleration", CVPR 2019, arXiv
    1903.04988; R142. The projection is orthonormal, that of the principal components; training goes on from it. Needs
    data.
    """
    assert moments is not None
    values, vectors = np.linalg.eigh(moments)
    chosen = vectors[:, np.argsort(-values, kind="stable")[:rank]]
    inner = np.tensordot(weight, chosen, axes=(1, 0))
    return _pointwise(chosen.T, weight), Stage(np.moveaxis(inner, -1, 1), "both" if weight.ndim > 2 else "none")


def _rows(weight: Array) -> Array:
    return weight.reshape(len(weight), -1).astype(np.float64)


def _turned(weight: Array) -> Array:
    """Inputs and rows of the window by outputs and columns."""
    outputs, inputs, high, wide = weight.shape
    return weight.transpose(1, 2, 0, 3).reshape(inputs * high, outputs * wide).astype(np.float64)


def _pointwise(matrix: Array, weight: Array) -> Stage:
    return Stage(matrix.reshape(*matrix.shape, *[1] * (weight.ndim - 2)))


def _sides(weight: Array, rank: int) -> tuple[Array, Array]:
    """The directions of outputs and of inputs that have most of a kernel."""
    fewer = min(weight.shape[1], ceil(rank * weight.shape[1] / len(weight)))
    outs = np.linalg.svd(_rows(weight), full_matrices=False)[0]
    ins = np.linalg.svd(_rows(weight.swapaxes(0, 1)), full_matrices=False)[0]
    return _whole(outs, len(weight))[:, :rank], _whole(ins, weight.shape[1])[:, :fewer]


def _whole(vectors: Array, size: int) -> Array:
    """As many directions as there are, where a matrix is narrower."""
    if vectors.shape[1] == size:
        return vectors
    return np.asarray(np.linalg.qr(np.concatenate([vectors, np.eye(size)], axis=1))[0][:, :size])


def _tucker_energy(weight: Array, moments: Array | None) -> Array:
    whole = float((weight.astype(np.float64) ** 2).sum())
    shares = []
    for rank in range(1, len(weight) + 1):
        outs, ins = _sides(weight, rank)
        shares.append(float((np.einsum("oihw,or,is->rshw", weight, outs, ins) ** 2).sum()) / max(whole, 1e-30))
    return np.maximum.accumulate(np.array(shares))


def _input_energy(weight: Array, moments: Array | None) -> Array:
    assert moments is not None
    return kept(np.sqrt(np.maximum(np.sort(np.linalg.eigvalsh(moments))[::-1], 0)))


def _singular(weight: Array, moments: Array | None) -> Array:
    return kept(np.linalg.svd(_rows(weight), compute_uv=False))


def _singular_axes(weight: Array, moments: Array | None) -> Array:
    return kept(np.linalg.svd(_turned(weight), compute_uv=False))


FACTORISERS = {
    "svd": Factoriser(by_channels, _singular, lambda weight: weight.size > 1),
    "svd-space": Factoriser(by_axes, _singular_axes, is_windowed),
    "tucker": Factoriser(tucker, _tucker_energy, is_windowed),
    "projection": Factoriser(by_inputs, _input_energy, lambda weight: weight.shape[1] > 1, "inputs"),
}
