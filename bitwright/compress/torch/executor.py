# SPDX-License-Identifier: Apache-2.0
"""A float network as a PyTorch module: constants are parameters, tensors and weights may have quantisers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from hashlib import sha256
from operator import add
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bitwright.audit import replay
from bitwright.compress.execute import FAST, prepared
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.operators import MATRIX, fixed_tensors
from bitwright.compress.sites import Edge, key
from bitwright.compress.torch.operators import Operand, function_of
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import through
from bitwright.reading.model import Node

Array = NDArray[Any]
Values = dict[str, Tensor | Array]
PLAIN = ("Add", "Div", "Mul", "Sub")
LEARNT: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(MATRIX, (1, 2)),
    **dict.fromkeys(PLAIN, (0, 1)),
    "BatchNormalization": (1, 2),
    "PRelu": (1,),
}
"""By the operator, the operands that are learnt where they are constants of more than one number, or a layer's."""


Step = Callable[["Executor", Sequence[Operand]], Sequence[Tensor | Array]]
"""What computes the outputs of a node in a module, which may be a copy of the one that it was made for."""


class Run(NamedTuple):
    """What a run has found: tensors, what quantisers made of weights and tensors, and the scales of these."""

    values: Values
    made: dict[str, Tensor]
    scales: dict[str, list[Tensor]]


class Executor(nn.Module):
    """Runs a `FloatNet`: as `compress.execute` does, with gradients, and with quantisers where there are any.

    `constants` are its parameters, by `key_of` their names: those that are learnt have gradients. `weights` and `acts`
    are the quantisers, by `key_of` the weight's and the tensor's name; `masks` have 0 where a weight is pruned, and 1
    elsewhere. While training, BatchNormalization takes the
    statistics of the batch and keeps their running mean, and Dropout is left out unless `dropout` asks for it.
    """

    def __init__(self, net: FloatNet, *, dropout: bool = False) -> None:
        super().__init__()
        self.net, self.dropout = net, dropout
        self.constants = nn.ParameterDict()
        learnt = _learnt(net)
        for name, array in net.constants.items():
            if array.dtype.kind == "f":
                self.constants[key_of(name)] = nn.Parameter(torch.tensor(array), requires_grad=name in learnt)
        self.weights, self.acts = nn.ModuleDict(), nn.ModuleDict()
        self.masks = nn.ParameterDict()
        self.dense = False
        self._layers = {layer.weight: layer for layer in net.layers}
        self._twins = {edge: site.tensor for site in net.sites for edge in site.edges}
        fixed = fixed_tensors(net.nodes, net.constants)
        self._steps = [(node, self._step(node, fixed)) for node in net.nodes]
        self._logits = _logits(net)
        two = [np.zeros((2, *entry.shape[1:]), entry.dtype) for entry in net.inputs]
        self._together = prepared(net, two)[1] > 1

    def tensor(self, name: str) -> Tensor:
        """A real constant of the network."""
        held: Tensor = self.constants[key_of(name)]
        return held

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The output of the network, or all of them, for one tensor per input, samples on axis 0."""
        outputs = self._outputs(inputs, self.net.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def logits(self, *inputs: Tensor) -> Tensor:
        """The first output, before the soft maximum or the choice that it may end with; a row for each sample."""
        return self.tapped(*inputs)[0]

    def tapped(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and every tensor by its name; none where the network holds the size of its batch."""
        if not self._together and len(inputs[0]) > 1:
            (made,), taps = self._outputs(inputs, (self._logits,)), {}
        else:
            taps = self.tensors(*inputs)
            made = taps[self._logits].to(torch.float32)
        return made.reshape(len(made), -1) if made.shape[1:].numel() == made.shape[-1] else made, taps

    @property
    def reals(self) -> torch.dtype:
        """What the module computes with."""
        return torch.float32

    @cached_property
    def origin(self) -> str:
        """The sha256 of what the module was when one first asked: of its first training."""
        types = [(name, part.types) for name, part in self.named_modules() if isinstance(part, Quantiser)]
        found = sha256(repr((types, self.dropout)).encode())
        for name, tensor in self.state_dict().items():
            found.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def advance(self, t: float) -> None:
        """Hears before each step of a training which part of it is over, from 0 to 1, and tells the quantisers."""
        for quantiser in (*self.weights.values(), *self.acts.values()):
            assert isinstance(quantiser, Quantiser)
            quantiser.advance(t)

    def observe(self) -> None:
        """Hears that the gradients of a step are there."""

    def tensors(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Every tensor that is made of the inputs, by its name."""
        return {name: value for name, value in self._values(inputs).items() if isinstance(value, Tensor)}

    def bases(self, weight: str) -> tuple[Basis, ...]:
        """The codes of a weight that has a quantiser, in its shape, and scales that broadcast against them."""
        layer = self._layers[weight]
        moved = self.weight(weight).movedim(layer.axis, 0)
        return tuple(
            Basis(self._masked(weight, codes.reshape(moved.shape).movedim(0, layer.axis)), _along(layer, scale, moved))
            for codes, scale in self.quantiser(weight).bases(moved.reshape(len(moved), -1))
        )

    def weight(self, name: str) -> Tensor:
        """A layer's weight, 0 where it is pruned."""
        return self._masked(name, self.tensor(name))

    def _masked(self, name: str, x: Tensor) -> Tensor:
        """A weight or its codes, 0 where it is pruned; if `dense`, with the gradients that it would have without."""
        mask = self.masks.get(key_of(name))
        if mask is None:
            return x
        return through(x, (x * mask).detach()) if self.dense else x * mask

    def quantiser(self, name: str) -> Quantiser:
        """That of a weight or of a tensor that has one."""
        found = (self.weights if name in self._layers else self.acts)[key_of(name)]
        assert isinstance(found, Quantiser)
        return found

    def _outputs(self, inputs: Sequence[Tensor], names: Sequence[str]) -> tuple[Tensor, ...]:
        """Some tensors, sample by sample where the network holds the size of its batch."""
        alone = not self._together and len(inputs[0]) > 1
        parts = [[x[i : i + 1] for x in inputs] for i in range(len(inputs[0]))] if alone else [inputs]
        made = [self._values(part) for part in parts]
        return tuple(torch.cat([torch.as_tensor(values[name]) for values in made]).to(torch.float32) for name in names)

    def _values(self, inputs: Sequence[Tensor]) -> Values:
        """Every tensor; what no data changes is an array."""
        given = zip(self.net.inputs, inputs, strict=True)
        run = Run({entry.name: x.to(self.reals) for entry, x in given}, {}, {})
        for node, step in self._steps:
            operands = [self._operand(node, place, run) for place in range(len(node.inputs))]
            made = step(self, operands)
            run.values.update({name: result for name, result in zip(node.outputs, made, strict=False) if name})
        return run.values

    def _operand(self, node: Node, place: int, run: Run) -> Operand:
        """What a node reads."""
        name = node.inputs[place]
        quantiser = self._quantiser(node, place)
        if quantiser is not None:
            if quantiser not in run.made:
                run.made[quantiser], run.scales[quantiser] = self._quantised(quantiser, run.values)
            return run.made[quantiser]
        if name in run.values:
            return run.values[name]
        return self._constant(Edge(key(node), place), name, run) if name else None

    def _quantiser(self, node: Node, place: int) -> str | None:
        """The name of the weight or of the tensor whose quantiser an operand comes from, if it has one."""
        if node.op in MATRIX and place == 1:
            return node.inputs[1] if key_of(node.inputs[1]) in self.weights else None
        tensor = self._twins.get(Edge(key(node), place))
        return tensor if tensor is not None and key_of(tensor) in self.acts else None

    def _quantised(self, name: str, values: Values) -> tuple[Tensor, list[Tensor]]:
        """What stands for a weight or a tensor, and its scales."""
        if name in self._layers:
            bases = self.bases(name)
            value = reduce(add, (codes * scale for codes, scale in bases))
            return value.to(self.reals), [basis.scale for basis in bases]
        x, quantiser = torch.as_tensor(values[name]), self.quantiser(name)
        ((codes, scale),) = quantiser.bases(x.reshape(1, -1))
        return ((codes - quantiser.zero) * scale).reshape(x.shape), [scale]

    def _constant(self, edge: Edge, name: str, run: Run) -> Tensor | Array:
        """A constant as it is read at an edge."""
        if name in self._layers:
            return self.weight(name).to(self.reals)
        held = key_of(name) in self.constants
        return self.tensor(name).to(self.reals) if held else self.net.constants[name]

    def _step(self, node: Node, fixed: set[str]) -> Step:
        """What computes a node: in NumPy where all that it makes is the same for all data."""
        if node.op == "Shape":
            return lambda module, operands: [_shape(node.attributes, operands[0])]
        if fixed.issuperset(node.outputs):
            plain = replay.function_of(node, self.net.opset, FAST)
            return lambda module, operands: plain([_array(operand) for operand in operands])
        if node.op == "BatchNormalization":
            return lambda module, operands: [module._normalised(node, *operands)]
        if node.op == "Dropout":
            return lambda module, operands: [module._dropped(node, *operands)]
        function = function_of(node, self.net.opset)
        return lambda module, operands: function(operands)

    def _normalised(self, node: Node, *operands: Any) -> Tensor:
        x, *numbers = operands
        gamma, beta, mean, var = (number.to(torch.float32) for number in numbers)
        momentum, epsilon = 1 - node.attributes.get("momentum", 0.9), node.attributes.get("epsilon", 1e-5)
        if self.training:
            return functional.batch_norm(x, mean, var, gamma, beta, True, momentum, epsilon)
        deviation = (var + epsilon).sqrt().to(x)  # in float32, as every tool has it
        scale, along = gamma.to(x) / deviation, (-1, *[1] * (x.ndim - 2))
        return torch.as_tensor(x * scale.reshape(along) + (beta.to(x) - mean.to(x) * scale).reshape(along))

    def _dropped(self, node: Node, x: Any, ratio: Operand = None, *others: Operand) -> Tensor:
        share = float(node.attributes.get("ratio", 0.5) if ratio is None else ratio)
        made: Tensor = functional.dropout(x, share, training=self.training and self.dropout)
        return made


def key_of(name: str) -> str:
    """A name as PyTorch takes it in a module: without dots, and none that a module has already."""
    escaped = name.replace("%", "%25").replace(".", "%2E")
    return f"{escaped}%" if hasattr(_MODULES, escaped) or hasattr(_PARAMETERS, escaped) else escaped


_MODULES, _PARAMETERS = nn.ModuleDict(), nn.ParameterDict()


def _logits(net: FloatNet) -> str:
    """The first output, or what it is the soft maximum or the choice of."""
    makers, name = {name: node for node in net.nodes for name in node.outputs}, net.outputs[0]
    while name in makers and makers[name].op in ("ArgMax", "LogSoftmax", "Softmax"):
        name = makers[name].inputs[0]
    return name


def _learnt(net: FloatNet) -> set[str]:
    """The constants that are learnt: but for weights that came as codes, and what is read elsewhere, too."""
    found = set[str]()
    elsewhere = {layer.weight for layer in net.layers if net.given(layer.weight) is not None}
    for node in net.nodes:
        for place, name in enumerate(node.inputs):
            array = net.constants.get(name)
            if array is None or array.dtype.kind != "f":
                continue
            learnt = place in LEARNT.get(node.op, ()) and (
                array.size > 1 or node.op not in ("Add", "Div", "Mul", "Sub")
            )
            (found if learnt else elsewhere).add(name)
    return found - elsewhere


def _along(layer: Layer, scale: Tensor, moved: Tensor) -> Tensor:
    """Scales of rows in the shape that broadcasts against the weight, whose rows are first in `moved`."""
    if scale.shape[1] == 1:
        return scale.reshape(-1, *[1] * (moved.ndim - 1)).movedim(0, layer.axis)
    return scale.expand(len(moved), moved[0].numel()).reshape(moved.shape).movedim(0, layer.axis)


def _shape(attributes: Mapping[str, Any], x: Operand) -> Array:
    """The shape of a tensor, or a part of it."""
    assert x is not None
    return np.array(x.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)


def _array(operand: Operand) -> Array | None:
    return operand.detach().cpu().numpy() if isinstance(operand, Tensor) else operand
