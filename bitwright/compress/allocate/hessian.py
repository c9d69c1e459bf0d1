# SPDX-License-Identifier: Apache-2.0
"""How an error bends around the float weights: traces of its Hessian, estimated with random signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import Amounts, Term
from bitwright.compress.coded import nearest_codes
from bitwright.compress.network import FloatNet
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
SEED = 0
SAMPLES = 64
"""Samples that the error is bent on."""
PROBES = 32
"""Vectors of random signs."""
KINDS = ("kl", "noise")
"""Errors that are least at the float weights; a loss need not be."""


def traces(net: FloatNet, arrays: Sequence[Array], kind: str) -> dict[str, float]:
    """The trace of the Hessian of an error in the weight of each layer, at the float weights, where the error is 0.

    Hutchinson's estimate: the mean of v' H v over vectors of random signs. Of the divergence from the network's own
    outputs, so that no labels are needed: its trace is that of Fisher's matrix.
    """
    need_torch("allocate by the hessian")
    import torch

    from bitwright.compress.torch.executor import Executor

    executor = Executor(net).eval()
    names = list(dict.fromkeys(layer.weight for layer in net.layers))
    weights = [executor.tensor(name).requires_grad_() for name in names]
    error = _error(executor.logits(*(torch.tensor(array[:SAMPLES]) for array in arrays)), kind)
    slopes = torch.autograd.grad(error, weights, create_graph=True)
    generator, found = torch.Generator().manual_seed(SEED), np.zeros(len(names))
    for _ in range(PROBES):
        signs = [torch.randint(2, slope.shape, generator=generator) * 2.0 - 1 for slope in slopes]
        along = torch.autograd.grad(slopes, weights, signs, retain_graph=True)
        found += [float((v * each).sum()) for v, each in zip(signs, along, strict=True)]
    return dict(zip(names, np.maximum(found / PROBES, 0.0).tolist(), strict=True))


def _error(outputs: Tensor, kind: str) -> Tensor:
    """How far outputs are from what they are now."""
    import torch

    now = outputs.detach()
    if kind == "kl":
        log_p, log_q = now.log_softmax(1), outputs.log_softmax(1)
        return (log_p.exp() * (log_p - log_q)).sum(1).mean()
    return torch.square(outputs - now).sum() / torch.square(now - now.mean(0)).sum()


def hessian_trace(sensing: Sensing) -> Iterator[Term]:
    """What widths of weights bring is half the trace of the error's Hessian over the mean square of their change.

    One run of the network with its gradients in place of a run for each width (Dong, Yao, Arfeen, Gholami, Mahoney,
    Keutzer: "HAWQ-V2: Hessian aware trace-weighted quantization of neural networks", NeurIPS 2020, arXiv 1911.03852;
    R109). What codes that make each other's errors good save is not seen, so they are those of the nearest rounding;
    of tensors nothing is said. Needs PyTorch.
    """
    calibration, kind = sensing.calibration, sensing.kind
    if kind not in KINDS:
        hint = f"choose {' or '.join(KINDS)}, or measure"
        raise BitwrightError(f"the bend of '{kind}' at the float weights is not known", where="allocate", hint=hint)
    found, net = traces(calibration.net, sensing.arrays, kind), calibration.net
    layers = {layer.weight: layer for layer in net.layers}
    for name, widths in sensing.offered.items():
        if name not in layers:
            continue
        rows: dict[tuple[int, ...], Amounts] = {}
        for bits in widths:
            choice = replace(sensing.choices.weights[name], bits=bits)
            step, array = calibration.weight_scale(layers[name], choice), net.constants[name]
            codes = nearest_codes(array, step, choice.type)
            rows[bits,] = {kind: 0.5 * found[name] * float(np.square(codes * step - array).mean())}
        yield Term((name,), rows)


SENSITIVITIES = {"hessian-trace": hessian_trace}
