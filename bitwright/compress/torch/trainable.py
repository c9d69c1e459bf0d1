# SPDX-License-Identifier: Apache-2.0
"""A network that is trained as the integers it will be: a module of PyTorch, and a `State` whenever one asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from bitwright.compress.calibrate import calibrate
from bitwright.compress.grid import factors, plain
from bitwright.compress.network import FloatNet
from bitwright.compress.options import Given
from bitwright.compress.prune.granularity import Block
from bitwright.compress.prune.rule import RULES
from bitwright.compress.prune.schedule import Schedule
from bitwright.compress.quantise import quantised
from bitwright.compress.sites import Edge, key
from bitwright.compress.state import ActQuant, Coded, State
from bitwright.compress.torch.accumulators import bounded, read_by
from bitwright.compress.torch.biases import on_grid, places
from bitwright.compress.torch.executor import Array, Executor, Run, Step, key_of
from bitwright.compress.torch.operators import function_of
from bitwright.compress.torch.pruning import Asked, Pruning
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.model import Node

NONE: Mapping[str, Quantiser] = MappingProxyType({})


FEW = 0.05
"""The share of zeros in a weight from which it counts as pruned."""


class Trainable(Executor):
    """A float network with a quantiser for the weight of each layer and for the tensors that layers read, or none.

    With `po2`, where all scales are powers of two, biases are whole steps of their accumulators, as they will be. The
    sums of no layer leave as many bits as `accumulator` says.
    """

    def __init__(
        self,
        net: FloatNet,
        *,
        weights: Mapping[str, Quantiser] = NONE,
        acts: Mapping[str, Quantiser] = NONE,
        po2: bool = False,
        accumulator: int | None = None,
        dropout: bool = False,
    ) -> None:
        self.po2 = po2  # before the steps are found
        super().__init__(net, dropout=dropout)
        for name, quantiser in weights.items():
            self.weights[key_of(name)] = quantiser
        for name, quantiser in acts.items():
            self.acts[key_of(name)] = quantiser
        self.pruning: Pruning | None = None
        self._makers = {key(node): node for node in net.nodes}
        types = {edge: acts[tensor].types[0] for edge, tensor in self._twins.items() if tensor in acts}
        self._biases = places(net, types) if po2 else {}
        self._accumulator = accumulator
        self._reads = {} if accumulator is None else read_by(net, types)

    def bases(self, weight: str) -> tuple[Basis, ...]:
        """The codes of a weight that has a quantiser, and their scales; within the accumulator, if one is given."""
        made = super().bases(weight)
        if self._accumulator is None:
            return made
        axis, kind = self._layers[weight].axis, self._reads[weight]
        rows = self.weight(weight).movedim(axis, 0).flatten(1)
        moved = [codes.movedim(axis, 0) for codes, _ in made]
        fit = [bounded(codes.flatten(1), rows, kind, self._accumulator).reshape(codes.shape) for codes in moved]
        return tuple(Basis(codes.movedim(0, axis), scale) for codes, (_, scale) in zip(fit, made, strict=True))

    @property
    def reals(self) -> torch.dtype:
        """With `po2`, when it is not training, float64: it holds sums beyond 2^24, and float32 bends lines a little."""
        return torch.float64 if self.po2 and not self.training else torch.float32

    def keep_zeros(self) -> None:
        """From now on the weights that are zero stay so, in the float network and in its integers."""
        for layer in self.net.layers:
            if key_of(layer.weight) in self.constants and not self.net.constants[layer.weight].all():
                self._keep_zeros(layer.weight, self.net.constants[layer.weight] != 0)

    def _keep_zeros(self, weight: str, kept: Array) -> None:
        named = key_of(weight)
        if named in self.weights and any(0 not in kind for kind in self.quantiser(weight).types):
            if np.mean(kept) > 1 - FEW:
                return
            hint = "choose one that has, for example ternary or lsq:4, or do not prune"
            what = f"{1 - np.mean(kept):.0%} of it are zeros, and its quantiser has no code for them"
            raise BitwrightError(what, where=f"{self.net.file}: weight '{weight}'", hint=hint)
        self.masks[named] = nn.Parameter(torch.tensor(kept, dtype=torch.float32), requires_grad=False)

    def prune(
        self, criterion: str, schedule: Schedule, *, block: Block = None, scope: str = "layer", rule: str = "permanent"
    ) -> Trainable:
        """Has `fit` set weights to zero: those that a criterion misses least, as many and when a schedule says.

        `criterion` is a key of `CRITERIA` that needs no data of its own, `rule` one of `RULES`; `block` and `scope` are
        as for `pruned`. What is zero is so in the float network and in the integers.
        """
        how = Asked(criterion=criterion, schedule=schedule, block=block, scope=scope, rule=rule)
        self.pruning = Pruning(self, how)
        self.dense = RULES[rule].dense
        for name, mask in self.pruning.masks(self).items():
            self.masks[name] = nn.Parameter(mask.detach().clone(), requires_grad=False)
        return self

    def advance(self, t: float) -> None:
        """Hears before each step of a training which part of it is over, and prunes when it is time."""
        super().advance(t)
        if self.pruning is not None:
            self.pruning.advance(self, t)

    def observe(self) -> None:
        """Hears that the gradients of a step are there, by which weights are pruned."""
        if self.pruning is not None:
            self.pruning.observe(self)

    def float_net(self) -> FloatNet:
        """The float network with the constants that training has come to."""
        with torch.no_grad():
            held = {name: self.weight(name) if name in self._layers else self.tensor(name) for name in self._real()}
        return self.net.replace(**{name: tensor.detach().cpu().numpy().copy() for name, tensor in held.items()})

    def state(self) -> State:
        """The quantised network: the codes and scales that the module computes with, when it is not training."""
        if not (self.acts or self.weights):
            hint = "give trainable quantisers, or use quantize(data) of the module"
            raise BitwrightError("has no quantisers", where=f"{self.net.file}: state", hint=hint)
        training = self.training
        self.eval()
        with torch.no_grad():
            weights = {layer.weight: self._coded(layer.weight) for layer in self.net.layers}
            acts = {site.tensor: self._act(site.tensor) for site in self.net.sites if key_of(site.tensor) in self.acts}
        self.train(training)
        return State(self.float_net(), weights, acts, bias_grid=self.po2)

    def graph(self) -> Graph:
        """The integer graph of the state."""
        return self.state().graph()

    def save(self, path: str | Path) -> None:
        """Write the state as ONNX, whose integers are the module's."""
        self.state().save(path)

    def quantize(self, data: Any, **options: Unpack[Given]) -> State:
        """What training has come to, quantised as `bitwright.quantize` does; weights that are pruned stay 0."""
        arrays: Sequence[Array] = data if isinstance(data, list | tuple) else [data]
        return quantised(calibrate(self.float_net(), arrays), **options)

    def _real(self) -> list[str]:
        return [name for name in self.net.constants if key_of(name) in self.constants]

    def _coded(self, weight: str) -> tuple[Coded, ...]:
        given = self.net.given(weight)
        if given is not None:
            return (given,)
        types = self.quantiser(weight).types
        return tuple(
            Coded(_integers(codes), scale.cpu().numpy().copy(), kind)
            for (codes, scale), kind in zip(self.bases(weight), types, strict=True)
        )

    def _act(self, tensor: str) -> ActQuant:
        quantiser = self.quantiser(tensor)
        (basis,) = quantiser.bases(torch.zeros(1, 1, device=quantiser.zero.device))
        numbers = (basis.scale.reshape(()), quantiser.zero.reshape(()))
        scale, zero = (number.cpu().numpy().copy() for number in numbers)
        return ActQuant(quantiser.types[0], scale, zero)

    def _constant(self, edge: Edge, name: str, run: Run) -> Tensor | Array:
        """A constant as it is read at an edge, a bias in whole steps with `po2`."""
        place, held = self._biases.get(edge), super()._constant(edge, name, run)
        if place is None or not isinstance(held, Tensor):
            return held
        node = self._makers[place.layer.name]
        scale = torch.ones(()) if place.source is None else run.scales[self._twins[place.source]][0]
        groups = int(node.attributes.get("group", 1))
        alpha, beta = factors(node) if edge.reader == place.layer.name else (1, 1)
        return on_grid(held * float(beta / alpha), place, groups, scale, self._scales(place.layer.weight, run))

    def _scales(self, weight: str, run: Run) -> list[Tensor]:
        """Those of a weight's bases."""
        given = self.net.given(weight)
        return run.scales[weight] if given is None else [torch.tensor(given.scale)]

    def _step(self, node: Node, fixed: set[str]) -> Step:
        """What computes a node: with `po2` a layer's factor comes behind its bias."""
        alpha, beta = factors(node) if node.op == "Gemm" else (1, 1)
        if not self.po2 or (alpha, beta) == (1, 1) or len(node.inputs) < 3:
            return super()._step(node, fixed)
        inner = function_of(plain(node), self.net.opset)
        return lambda module, operands: [made * float(alpha) for made in inner(operands)]


def _integers(codes: Tensor) -> Any:
    return codes.round().to(torch.int32).cpu().numpy().copy()
