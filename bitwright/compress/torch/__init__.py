# SPDX-License-Identifier: Apache-2.0
"""Training with PyTorch, which nothing outside imports before it is called: quantisers by their names.

A name stands with a number of bits, as in "lsq:4"; those in `BITS` need none.
"""

from bitwright.compress.family import Family
from bitwright.compress.torch.quantiser import Basis, Factory, Quantiser

__all__ = ["ACTIVATIONS", "BITS", "QUANTISERS", "Basis", "Factory", "Quantiser"]

QUANTISERS: Family[Factory] = Family(__name__, "QUANTISERS")
"""The quantisers of weights by their name in front of the colon."""
ACTIVATIONS: Family[Factory] = Family(__name__, "ACTIVATIONS")
"""Those of activations."""
BITS: Family[int] = Family(__name__, "FIXED")
"""The bits of those that have a fixed number of codes, and stand without one."""
