# SPDX-License-Identifier: Apache-2.0
"""What a network learns from the outputs of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor, float], Tensor]


def kd(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the distribution of the outputs is from the teacher's, both softened by the temperature T, times T^2.

    Hinton, Vinyals, Dean: "Distilling the knowledge in a neural network", arXiv 1503.02531; R147. With
    codes for weights and a float teacher it is quantised distillation (Polino, Pascanu, Alistarh: "Model compression
    via distillation and quantization", ICLR 2018, arXiv 1802.05668; R146). Needs data.
    """
    student, wanted = (functional.log_softmax(each / temperature, dim=-1) for each in (outputs, teacher))
    return functional.kl_div(student, wanted, reduction="batchmean", log_target=True) * temperature**2


def logits(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Half the squared distance of the outputs from the teacher's.

    Ba, Caruana: "Do deep nets really need to be deep?", NeurIPS 2014, arXiv 1312.6184; R151. Needs data.
    """
    return (outputs - teacher).square().sum(dim=-1).mean() / 2


LOSSES: Mapping[str, Loss] = {"kd": kd, "logits": logits}
"""By the name that `distil` takes: (outputs, teacher's outputs, temperature) to a number."""
