# SPDX-License-Identifier: Apache-2.0
"""Layers as several smaller ones: matrices and kernels of low rank, by name in `FACTORISERS`."""

from bitwright.compress.factor.factored import factored
from bitwright.compress.factor.stages import FACTORISERS, Factoriser, Stage

__all__ = ["FACTORISERS", "Factoriser", "Stage", "factored"]
