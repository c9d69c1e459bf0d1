# SPDX-License-Identifier: Apache-2.0
"""One loop that trains a network: Adam whose rates are relative to each tensor, along a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bitwright.compress.calibrate import check_arrays
from bitwright.compress.network import FloatNet
from bitwright.compress.torch.checkpoint import Checkpoint, Live, digest
from bitwright.compress.torch.executor import Executor
from bitwright.compress.torch.gradients import GRADIENTS
from bitwright.compress.torch.projections import project, projection
from bitwright.compress.training import WHERE, Aid, Training
from bitwright.ir.errors import BitwrightError

SCALES = 0.5
"""The rate of scales, in parts of that of other tensors."""
STILL = 0.1
"""The size that a tensor of zeros is taken to have, in parts of the middle one."""
TOGETHER = 256
"""Samples that the teacher sees at once."""


class Samples(NamedTuple):
    """What is learnt from: inputs, labels if there are any, and the outputs of each aid's teacher."""

    inputs: tuple[Tensor, ...]
    labels: Tensor | None
    taught: tuple[Tensor, ...]

    def at(self, picked: Tensor) -> Samples:
        """Some of them."""
        labels = None if self.labels is None else self.labels[picked]
        return Samples(tuple(x[picked] for x in self.inputs), labels, tuple(each[picked] for each in self.taught))


def fit(module: Executor, data: Any, training: Training) -> tuple[float, ...]:
    """`bitwright.compress.fit`."""
    inputs, labels = given(module.net, data)
    if labels is None and training.share == 0:
        hint = "give (x, y), or aids=[distil('kd')], which learns from the float network"
        raise BitwrightError("labels are needed, and the data has none", where=WHERE, hint=hint)
    _check_period(training, len(inputs[0]))
    samples = Samples(inputs, labels, tuple(_teachings(module.net, inputs, training.aids)))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(training.seed)
        try:
            return tuple(_run(module.train(), samples, training))
        finally:
            module.eval()


def _check_period(training: Training, samples: int) -> None:
    """Refuse projections that there are not, and those that no training of this length comes to."""
    steps = -(-samples // training.batch) * training.epochs
    if training.project is not None:
        projection(training.project)
    if training.every > steps:
        hint = f"give at most {steps}, the steps of this training"
        raise BitwrightError(f"every {training.every} cannot be used", where=WHERE, hint=hint)


def given(net: FloatNet, data: Any) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """The inputs and the labels: data is (x, y), or x alone; x is one array, or a list of one for each input."""
    if isinstance(data, tuple) and len(data) != 2:
        hint = "give (x, y), or x alone: one array, or a list of one for each input"
        raise BitwrightError(f"a tuple of {len(data)} as data", where=WHERE, hint=hint)
    x, y = data if isinstance(data, tuple) else (data, None)
    arrays = [_array(each) for each in (x if isinstance(x, list) else [x])]
    check_arrays(net.inputs, arrays, "training data")
    labels = None if y is None else np.asarray(_array(y))
    if labels is not None and len(labels) != len(arrays[0]):
        what = f"{len(labels)} labels for {len(arrays[0])} samples"
        raise BitwrightError(what, where=WHERE, hint="give one for each")
    return tuple(map(torch.from_numpy, arrays)), None if labels is None else _labels(labels)


def _array(x: Any) -> Any:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else x


def _labels(y: np.ndarray[Any, Any]) -> Tensor:
    """Classes as int64, values as float32."""
    if y.dtype.kind in "iu" and y.ndim == 1:
        return torch.from_numpy(y.astype(np.int64))
    if y.dtype.kind == "f":
        return torch.from_numpy(y.astype(np.float32))
    hint = "give whole numbers in one row for classes, or real numbers shaped as the output"
    raise BitwrightError(f"labels of type {y.dtype} and shape {y.shape}", where=WHERE, hint=hint)


def _teachings(net: FloatNet, inputs: Sequence[Tensor], aids: Sequence[Aid]) -> Iterator[Tensor]:
    """The outputs of each aid's teacher on all samples: the float network's, unless it has one of its own."""
    own: Callable[..., Tensor] = Executor(net).eval().logits
    for aid in aids:
        teacher = getattr(aid, "teacher", None) or own
        with torch.no_grad():
            starts = range(0, len(inputs[0]), TOGETHER)
            parts = [[x[start : start + TOGETHER] for x in inputs] for start in starts]
            yield torch.cat([torch.as_tensor(teacher(*part)) for part in parts])


def _run(module: Executor, samples: Samples, training: Training) -> list[float]:
    """Trains the module; the mean loss of each epoch."""
    order = torch.Generator().manual_seed(training.seed)
    live = Live(module, torch.optim.Adam(_groups(module, training.lr)), order, [])
    checkpoint = None
    if training.checkpoint is not None:
        checkpoint = Checkpoint(training.checkpoint, _key(module, samples, training))
        checkpoint.load(live)
    while len(live.losses) < training.epochs:
        live.losses.append(_epoch(live, samples, training))
        if checkpoint is not None:
            checkpoint.save(live)
    module.advance(1.0)
    return live.losses


def _key(module: Executor, samples: Samples, training: Training) -> str:
    """What names a training: where it begins, what it learns from, and how."""
    aids = [repr(aid) for aid in training.aids]
    options = (*map(int, (training.epochs, training.batch, training.seed)), float(training.lr), aids)
    options += () if training.gradient is None else (training.gradient,)
    options += () if training.project is None else (training.project, int(training.every))
    labels = () if samples.labels is None else (samples.labels,)
    return digest(module.net.digest, module.origin, options, *samples.inputs, *labels, *samples.taught)


def _groups(module: Executor, rate: float) -> Iterator[dict[str, Any]]:
    """Each tensor that is learnt with the rate that it begins with: so much of its root mean square."""
    learnt = {name: tensor for name, tensor in module.named_parameters() if tensor.requires_grad}
    sizes = {name: float(tensor.detach().square().mean().sqrt()) for name, tensor in learnt.items()}
    middle = float(np.median([size for size in sizes.values() if size > 0] or [1.0]))
    for name, tensor in learnt.items():
        share = 1.0 if name.startswith("constants.") else SCALES
        size = sizes[name] or STILL * middle
        yield {"params": [tensor], "lr": rate * share * size, "begun": rate * share * size}


def _epoch(live: Live, samples: Samples, training: Training) -> float:
    """Every sample once, in an order that is drawn; the mean loss."""
    count = len(samples.inputs[0])
    steps = -(-count // training.batch)
    total, losses = steps * training.epochs, []
    order = torch.randperm(count, generator=live.order)
    for place in range(steps):
        step = len(live.losses) * steps + place
        picked = order[place * training.batch : (place + 1) * training.batch]
        for group in live.optimiser.param_groups:
            group["lr"] = group["begun"] * 0.5 * (1 + math.cos(math.pi * step / total))
        live.module.advance(step / total)
        loss = _loss(live.module, samples.at(picked), training)
        if not math.isfinite(float(loss.detach())):
            hint = "use a smaller lr, or look for values in the data that are not finite"
            raise BitwrightError(f"the loss is not finite after {step} steps", where=WHERE, hint=hint)
        live.optimiser.zero_grad()
        torch.autograd.backward(loss)
        _rounded(live.module, training.gradient)
        live.module.observe()
        live.optimiser.step()
        project(live.module, training, step + 1, total)
        losses.append(float(loss.detach()))
        if training.progress is not None:
            training.progress(step + 1, total, losses[-1])
    return sum(losses) / len(losses)


def _rounded(module: Executor, name: str | None) -> None:
    """Takes gradients of few levels in place of those that there are, if that is asked for."""
    for tensor in module.parameters() if name is not None else ():
        if tensor.grad is not None:
            tensor.grad = GRADIENTS[str(name)](tensor.grad, None)


def _loss(module: Executor, samples: Samples, training: Training) -> Tensor:
    """What labels say and what aids say, in their shares; aids alone where there are no labels."""
    outputs, taps = module.tapped(*samples.inputs)
    parts = zip(training.aids, samples.taught, strict=True)
    aided = sum((aid(outputs, taught, samples.labels, taps) for aid, taught in parts), torch.zeros(()))
    if samples.labels is None:
        return aided / training.share
    return (1 - training.share) * labelled(outputs, samples.labels) + aided


def labelled(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of classes, or the mean squared error of values."""
    if labels.dtype is torch.int64:
        if outputs.ndim != 2 or not 0 <= int(labels.min()) <= int(labels.max()) < outputs.shape[1]:
            what = f"labels from {int(labels.min())} to {int(labels.max())} for outputs of shape {_shown(outputs)}"
            raise BitwrightError(what, where=WHERE, hint="labels are classes, counted from 0")
        return functional.cross_entropy(outputs, labels)
    if labels.shape != outputs.shape:
        what = f"values of shape {_shown(labels)} for outputs of shape {_shown(outputs)}"
        raise BitwrightError(what, where=WHERE, hint="give real numbers shaped as the output")
    return functional.mse_loss(outputs, labels)


def _shown(tensor: Tensor) -> str:
    return f"({', '.join(['N', *map(str, tensor.shape[1:])])})"
