# SPDX-License-Identifier: Apache-2.0
"""Training with PyTorch, which nothing outside imports before it is called: quantisers by their names.

A name stands with a number of bits, as in "lsq:4"; those in `BITS` need none.
"""

from collections.abc import Mapping

from bitwright.compress.torch.bases import Fgq, Residual, Ttq
from bitwright.compress.torch.levels import Bwn, Twn, XnorActs
from bitwright.compress.torch.lsq import Lsq
from bitwright.compress.torch.po2 import Inq
from bitwright.compress.torch.quantiser import Basis, Factory, Quantiser
from bitwright.compress.torch.uniform import Dorefa, DorefaActs, Pact, Qil

__all__ = ["ACTIVATIONS", "BITS", "QUANTISERS", "Basis", "Factory", "Quantiser"]

QUANTISERS: Mapping[str, Factory] = {
    "lsq": Lsq,
    "ternary": Lsq,
    "dorefa": Dorefa,
    "qil": Qil,
    "inq": Inq,
    "bwn": Bwn,
    "xnor": Bwn,
    "twn": Twn,
    "ttq": Ttq,
    "fgq": Fgq,
    "residual": Residual,
}
"""The quantisers of weights by their name in front of the colon."""
ACTIVATIONS: Mapping[str, Factory] = {"lsq": Lsq, "pact": Pact, "dorefa": DorefaActs, "xnor": XnorActs}
"""Those of activations."""
BITS: Mapping[str, int] = {"ternary": 2, "bwn": 1, "xnor": 1, "twn": 2, "ttq": 2, "fgq": 2}
"""The bits of those that have a fixed number of codes, and stand without one."""
