# SPDX-License-Identifier: Apache-2.0
"""The groups of a network beside those that torch-pruning finds in the module that it was exported from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bitwright.compress import FloatNet, float_net
from bitwright.reading.exporting import exported
from tests.needs import needs_package

if TYPE_CHECKING:
    from torch import nn

pytestmark = [needs_package("torch"), needs_package("torch_pruning")]
Cut = frozenset[tuple[str, int, int]]
"""What goes with a channel: parameters, axes and indices."""


def residual(nn: Any) -> nn.Module:
    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.skip = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 8, 1, stride=2)
            self.one, self.two = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 6, 3, padding=1)
            self.three, self.four = nn.Conv2d(6, 7, 3, stride=2, padding=1), nn.Conv2d(7, 8, 3, padding=1)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = self.stem(x).relu()
            x = (x + self.two(self.one(x).relu())).relu()
            x = (self.skip(x) + self.four(self.three(x).relu())).relu()
            return self.head(x.mean((2, 3)))

    return Net()


def joined(nn: Any) -> nn.Module:
    """Not flattened: of a joined tensor that is, torch-pruning 1.6 takes outputs which a layer does not have."""

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 5, 3), nn.Conv2d(9, 6, 1)
            self.d, self.head = nn.Conv2d(6, 3, 1), nn.Linear(9, 3)

        def forward(self, x: Any) -> Any:
            import torch

            x = torch.cat([self.a(x).relu(), self.b(x).relu()], 1)
            x = self.c(x).relu()
            x = torch.cat([x, self.d(x)], 1)
            return self.head(x.mean((2, 3)))

    return Net()


def depthwise(nn: Any) -> nn.Module:
    """An inverted residual."""

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.wide = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 12, 1)
            self.deep, self.thin = nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.Conv2d(12, 4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            import torch

            x = self.stem(x).relu()
            x = x + self.thin(self.deep(self.wide(x).relu()).relu())
            return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    return Net()


def flattened(nn: Any) -> nn.Module:
    return nn.Sequential(  # type: ignore[no-any-return]
        nn.Conv2d(2, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 2), nn.Sigmoid(), nn.Flatten(),
        nn.Linear(4 * 4, 7), nn.ReLU(), nn.Linear(7, 3),
    )  # fmt: skip


def gated(nn: Any) -> nn.Module:
    """A squeeze-and-excitation block."""

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.down, self.up = nn.Conv2d(2, 6, 3), nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)
            self.last = nn.Conv2d(6, 3, 1)

        def forward(self, x: Any) -> Any:
            x = self.stem(x).relu()
            gate = self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
            return self.last(x * gate).mean((2, 3))

    return Net()


NETS: dict[str, Callable[[Any], nn.Module]] = {
    each.__name__: each for each in (residual, joined, depthwise, flattened, gated)
}


def cuts_of(net: FloatNet) -> set[Cut]:
    """What goes with each channel that is free, of weights and biases."""
    found = set()
    for group in (group for group in net.groups if not group.fixed):
        for channel in range(group.size):
            found.add(
                frozenset(
                    (part.constant, part.axis, int(index))
                    for part in group.parts
                    for index in np.flatnonzero(part.channels == channel)
                )
            )
    return found


def theirs(module: nn.Module, example: Any) -> set[Cut]:
    """The same by torch-pruning: the group of each output channel of each layer but the last."""
    import torch
    import torch_pruning as tp

    graph = tp.DependencyGraph().build_dependency(module, example_inputs=example)
    names = {id(each): name for name, each in module.named_modules()}
    layers = [each for each in module.modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Linear)]
    found = set()
    for layer in layers[:-1]:
        for channel in range(layer.weight.shape[0]):
            cut = set()
            for dependency, indices in graph.get_pruning_group(layer, tp.prune_conv_out_channels if isinstance(
                layer, torch.nn.Conv2d) else tp.prune_linear_out_channels, idxs=[channel]):  # fmt: skip
                target = dependency.target.module
                if id(target) not in names or not isinstance(target, torch.nn.Conv2d | torch.nn.Linear):
                    continue
                name, out = names[id(target)], graph.is_out_channel_pruning_fn(dependency.handler)
                deep = getattr(target, "groups", 1) > 1
                for index in indices:
                    if out or deep:
                        cut |= {(f"{name}.weight", 0, int(index)), (f"{name}.bias", 0, int(index))}
                    else:
                        cut.add((f"{name}.weight", 1, int(index)))
            found.add(frozenset(cut))
    return found


@pytest.mark.parametrize("name", NETS)
def test_groups_are_those_of_torch_pruning(name: str) -> None:
    import torch

    torch.manual_seed(0)
    module, example = NETS[name](torch.nn).eval(), torch.randn(1, 2, 8, 8)
    ours = cuts_of(float_net(exported(module, example, "test")))
    assert ours == theirs(module, example)
