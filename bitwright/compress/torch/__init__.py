# SPDX-License-Identifier: Apache-2.0
"""Training with PyTorch, which nothing outside imports before it is called: a quantiser for each name in `QUANTISERS`.

A name stands with a number of bits, as in "lsq:4"; those in `BITS` need none.
"""

from collections.abc import Mapping

from bitwright.compress.torch.lsq import Lsq
from bitwright.compress.torch.quantiser import Basis, Factory, Quantiser

__all__ = ["BITS", "QUANTISERS", "Basis", "Factory", "Quantiser"]

QUANTISERS: Mapping[str, Factory] = {"lsq": Lsq}
"""The quantisers by their name in front of the colon."""
BITS: Mapping[str, int] = {}
"""The bits of those that have a fixed number of codes, and stand without one."""
