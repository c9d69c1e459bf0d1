# SPDX-License-Identifier: Apache-2.0
"""Kernels whose window is apart from their channels: products at each place, and windows of single channels."""

from __future__ import annotations

import numpy as np

from bitwright.compress.factor.stages import Array, Factoriser, Stage, is_windowed, kept


def pointwise_depthwise(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """Products at each place, then a window for each channel alone; a sum of so many of both where the rank is higher.

    FALCON (Jang, Quan, Lee, Kang: "FALCON: lightweight and accurate convolution", 2020, arXiv 1909.11321; R139). An
    output's kernel, inputs by places, is a matrix, whose nearest of the rank it is.
    """
    outputs, inputs, high, wide = weight.shape
    left, values, right = np.linalg.svd(weight.reshape(outputs, inputs, -1).astype(np.float64), full_matrices=False)
    root = np.sqrt(values[:, :rank])
    point = (left[:, :, :rank] * root[:, None]).transpose(0, 2, 1).reshape(outputs * rank, inputs, 1, 1)
    deep = (right[:, :rank] * root[:, :, None]).reshape(outputs * rank, 1, high, wide)
    stages = (Stage(point), Stage(deep, "both", outputs * rank))
    return stages if rank == 1 else (*stages, Stage(np.ones((outputs, rank, 1, 1)), "none", outputs))


def low_band(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """The lowest frequencies of each input's window, and products of these at each place: the rest is left out.

    Dziedzic, Paparrizos, Krishnan, Elmore, Franklin: "Band-limited training and inference for convolutional neural
    networks", ICML 2019, arXiv 1911.09287; R145. The frequencies are those of the discrete cosine transform, which is
    orthonormal: what is left of the energy is that of the coefficients that stay.
    """
    outputs, inputs, high, wide = weight.shape
    waves = _waves(high, wide)[:rank]
    heights = np.tensordot(weight, waves, axes=((2, 3), (1, 2)))
    deep = np.tile(waves[:, None], (inputs, 1, 1, 1))
    return Stage(deep, "both", inputs), Stage(heights.reshape(outputs, inputs * rank, 1, 1))


def _waves(high: int, wide: int) -> Array:
    """The cosines of a window, orthonormal, the lowest first."""
    rows, columns = (_cosines(size) for size in (high, wide))
    order = sorted(np.ndindex(high, wide), key=lambda at: (at[0] / high + at[1] / wide, at))
    return np.array([np.outer(rows[i], columns[j]) for i, j in order])


def _cosines(size: int) -> Array:
    places = (np.arange(size) + 0.5) / size
    waves = np.cos(np.pi * np.arange(size)[:, None] * places)
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True))


def _separable_energy(weight: Array, moments: Array | None) -> Array:
    values = np.linalg.svd(weight.reshape(*weight.shape[:2], -1).astype(np.float64), compute_uv=False)
    return kept(np.sqrt((values**2).sum(axis=0)))


def _band_energy(weight: Array, moments: Array | None) -> Array:
    heights = np.tensordot(weight.astype(np.float64), _waves(*weight.shape[2:]), axes=((2, 3), (1, 2)))
    return kept(np.sqrt((heights**2).sum(axis=(0, 1))))


FACTORISERS = {
    "pointwise-depthwise": Factoriser(pointwise_depthwise, _separable_energy, is_windowed),
    "band": Factoriser(low_band, _band_energy, is_windowed),
}
