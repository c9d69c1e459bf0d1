# SPDX-License-Identifier: Apache-2.0
"""A network whose layers are factors: as much of the energy of each as a number of multiplications allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bitwright.compress.acts import gathered, walk
from bitwright.compress.columns import View, views
from bitwright.compress.config import nearest_names
from bitwright.compress.factor.rewrite import rewritten, wide
from bitwright.compress.factor.stages import FACTORISERS, Array, Factoriser, Stage
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.work import macs
from bitwright.ir.errors import BitwrightError

STEPS = 12
"""Of halving between the energies."""
COLUMNS = 4000
"""Of a layer's inputs whose moments are taken."""


def factored(
    net: FloatNet, data: Sequence[Array] | None = None, *, method: str = "svd", share: float = 0.5
) -> FloatNet:
    """The network whose layers are those of a method, a key of `FACTORISERS`, with a share of the multiply-accumulates.

    All layers keep the same share of their energy, found by halving, by as small a rank as does (ENC: Kim, Khan, Kyung:
    "Efficient neural network compression", CVPR 2019, arXiv 1811.12781; R137); a layer that would not become smaller
    stays.
    """
    if method not in FACTORISERS:
        raise BitwrightError(
            f"there is no method '{method}'", where="factor", hint=nearest_names(method, set(FACTORISERS))
        )
    if not 0 < share <= 1:
        raise BitwrightError(f"{share!r} cannot be used for share", where="factor", hint="give more than 0, to 1")
    if share == 1:
        return net
    chosen = FACTORISERS[method]
    moments = _beside(net, chosen, data)
    found = {
        view.layer.name: chosen.energy(wide(view), moments.get(view.layer.name))
        for view in views(net).values()
        if wide(view).size and chosen.fits(wide(view))
    }
    most = share * macs(net)
    low, high, best = 0.0, 1.0, _at(net, chosen, found, moments, 0.0)
    if macs(best) > most:
        raise BitwrightError(
            f"the least ranks leave {macs(best):,} of {macs(net):,} multiply-accumulates",
            where=f"{net.file}: factor",
            hint="ask for a larger share, or for another method",
        )
    for _ in range(STEPS):
        middle = (low + high) / 2
        made = _at(net, chosen, found, moments, middle)
        low, high, best = (middle, high, made) if macs(made) <= most else (low, middle, best)
    return best


def _at(
    net: FloatNet, chosen: Factoriser, found: Mapping[str, Array], moments: Mapping[str, Array], energy: float
) -> FloatNet:
    """The network whose layers keep a share of their energy."""
    stages: dict[str, Sequence[Stage]] = {}
    for name, view in views(net).items():
        if name in found:
            rank = int(np.searchsorted(found[name], energy - 1e-12)) + 1
            parts = chosen.parts(wide(view), min(rank, len(found[name])), moments.get(name))
            if sum(part.weight.size * part.times for part in parts) < wide(view).size:
                stages[name] = parts
    return rewritten(net, stages)


def _beside(net: FloatNet, chosen: Factoriser, data: Sequence[Array] | None) -> dict[str, Array]:
    """What each layer's factors depend on beside its weight: the second moments of its inputs, or weights like it."""
    if chosen.needs == "weights":
        return {}
    if chosen.needs == "alike":
        weights = {name: wide(view) for name, view in views(net).items()}
        return {
            name: np.stack([each for each in weights.values() if each.shape == weight.shape])
            for name, weight in weights.items()
        }
    if data is None:
        hint = "give samples of the network's inputs"
        raise BitwrightError(
            "the method looks at what the layers read, and there is no data", where="factor", hint=hint
        )
    found = Moments()
    with np.errstate(all="ignore"):
        walk(net, list(data), found)
    return found.found


class Moments:
    """Walks a network, and notes the products of what layers read, channel by channel."""

    def __init__(self) -> None:
        self.found: dict[str, Array] = {}

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight as it is."""
        weight = wide(view)
        if weight.size:
            total = sum(view.count(chunk) for chunk in inputs)
            picked = np.sort(np.random.default_rng(0).permutation(total)[:COLUMNS])
            columns = gathered(view, inputs, picked)[0].astype(np.float64)
            rows = columns.reshape(weight.shape[1], -1)
            self.found[view.layer.name] = rows @ rows.T / rows.shape[1]
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        """Nothing."""
        return None
