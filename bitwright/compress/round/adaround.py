# SPDX-License-Identifier: Apache-2.0
"""AdaRound: whether each weight is rounded up or down is learnt, layer by layer, from what the layer makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bitwright.compress.round.gptq import matched
from bitwright.compress.round.nearest import nearest
from bitwright.compress.round.problem import Array, Codes, Problem
from bitwright.ir.errors import BitwrightError

Tensor = Any
"""One of PyTorch's, which is imported when it is needed."""
STEPS, BATCH, RATE, SEED = 400, 2048, 2e-2, 0
"""Steps, columns of each, rate of learning, seed of the draws."""
WARM, SOFT, SHARP, WEIGHT = 0.2, 20.0, 2.0, 1.0
"""The share of the steps before what is in between is punished, the first and last exponent of that, and its weight
beside the error, of which that of the nearest codes is 1."""


def adaround(problem: Problem) -> Codes:
    """The codes below or above the weights of least squares whose error is least, behind the Relu if there is one.

    Nagel, Amjad, van Baalen, Louizos, Blankevoort: "Up or down? Adaptive rounding for post-training quantization", ICML
    2020, arXiv 2004.10568. Needs PyTorch.
    The nearest codes where those are no better on the given columns.
    """
    if problem.signs:
        what, hint = "a sign lies between no two codes", "give weights of 1 bit rounding 'nearest' or 'gptq'"
        raise BitwrightError(what, where=f"{problem.where}: rounding 'adaround'", hint=hint)
    unit = _error(problem, nearest(problem))
    codes = _learned(problem, unit)
    return codes if _error(problem, codes) < unit else nearest(problem)


def _error(problem: Problem, codes: Array) -> float:
    """The squared error of what codes make, per column."""
    made = problem.behind((codes * problem.scale).astype(np.float32) @ problem.inputs)
    return float(((made - problem.behind(problem.outputs)) ** 2).sum() / problem.inputs.shape[2])


def _torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise BitwrightError(
            "PyTorch is not installed", where="rounding 'adaround'", hint="pip install 'bitwright[torch]'"
        ) from error
    return torch


def _learned(problem: Problem, unit: float) -> Codes:
    """Codes, by steps on random columns; an error of `unit` counts as one."""
    torch = _torch()
    with _one_thread(torch), torch.enable_grad():
        return _fitted(torch, problem, unit)


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """The sums of small matrices take longer in several threads, and come in another order on other machines."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fitted(torch: Any, problem: Problem, unit: float) -> Codes:
    """What the steps end in."""
    random = torch.Generator().manual_seed(SEED)
    inputs, wanted, offset = (
        torch.tensor(array.swapaxes(1, 2), dtype=torch.float32)
        for array in (problem.inputs, problem.behind(problem.outputs), problem.offset)
    )
    soft = _Soft(problem)
    optimiser = torch.optim.Adam([soft.logits], RATE)
    for step in range(STEPS):
        picked = torch.randint(inputs.shape[1], (min(BATCH, inputs.shape[1]),), generator=random)
        up = soft.up()
        made = inputs[:, picked] @ (soft.codes(up) * soft.scale).transpose(1, 2) + offset
        error = ((made.relu() if problem.rectified else made) - wanted[:, picked]) ** 2
        loss = error.sum() / (len(picked) * max(unit, 1e-12)) + _between(up, step / STEPS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return np.asarray(soft.codes((soft.logits.detach() >= 0).float()).numpy(), dtype=np.int32)


def _between(up: Tensor, time: float) -> Tensor | float:
    """What it costs to be neither down nor up: nothing at first, then more and more near the ends, too."""
    done = (time - WARM) / (1 - WARM)
    return WEIGHT * (1 - (2 * up - 1).abs() ** (SOFT + (SHARP - SOFT) * done)).mean() if done > 0 else 0.0


class _Soft:
    """Codes between the one below and the one above: a stretched sigmoid of `logits`, which reaches both ends."""

    def __init__(self, problem: Problem) -> None:
        torch = _torch()
        scale, mask, low, high, weight = (
            torch.tensor(np.broadcast_to(array, problem.weight.shape), dtype=torch.float32)
            for array in (problem.scale, problem.mask, problem.low, problem.high, matched(problem))
        )
        self.scale, self._low, self._high = scale, low * mask, high * mask
        self._floor = (weight / scale).floor()
        part = (weight / scale - self._floor).clamp(1e-4, 1 - 1e-4)
        self.logits = (-(1.2 / (part + 0.1) - 1).log()).requires_grad_()

    def up(self) -> Tensor:
        """How far each code is above the one below."""
        up: Tensor = (self.logits.sigmoid() * 1.2 - 0.1).clamp(0, 1)
        return up

    def codes(self, up: Tensor) -> Tensor:
        """Codes inside their type."""
        codes: Tensor = (self._floor + up).maximum(self._low).minimum(self._high)
        return codes


ROUNDINGS = {"adaround": adaround}
