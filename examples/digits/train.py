# SPDX-License-Identifier: Apache-2.0
"""Trains the digits network in float, then in mixed precision, and writes the ONNX and data files of this folder.

    python examples/digits/train.py

Everything is seeded and runs on one thread; it takes about half a minute.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from export import export
from fakequant import QuantConv2d, Quantiser, QuantLinear, prune
from network import FloatNetwork, QuantNetwork
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "bitwright" / "demo"
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def digits() -> tuple[Floats, Labels, Floats, Labels]:
    """(training images, labels, test images, labels): 1437 and 360 images (1, 8, 8) with pixels 0..16."""
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.reshape(-1, 1, 8, 8).astype(np.float32),
        labels.astype(np.int64),
        test_size=360,
        random_state=0,
        stratify=labels,
    )
    return x, y, x_test, y_test


def fit(network: nn.Module, x: Tensor, y: Tensor, *, epochs: int, rate: float, seed: int) -> None:
    """Adam with a cosine schedule on mini-batches of 64, images shifted by up to one pixel."""
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    network.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            right, down = (int(step) for step in torch.randint(-1, 2, (2,)))
            loss = nn.functional.cross_entropy(network(shift(x[batch], right, down)), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    network.eval()


def shift(images: Tensor, right: int, down: int) -> Tensor:
    """The images moved by a pixel or none, zeros coming in at the edge."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, 1 - down : 9 - down, 1 - right : 9 - right]


def quantised_from(network: FloatNetwork, x: Tensor) -> QuantNetwork:
    """The mixed-precision network with the float one's weights, conv2 half pruned, scales from weights and images."""
    made = QuantNetwork()
    made.load_state_dict(network.state_dict(), strict=False)
    prune(made.conv2, 0.5)
    for layer in made.modules():
        if isinstance(layer, QuantConv2d):
            layer.quantiser.start_from(layer.weight * layer.mask)
        elif isinstance(layer, QuantLinear):
            layer.quantiser.start_from(layer.weight)
    hooks = [
        quantiser.register_forward_pre_hook(lambda layer, inputs: layer.start_from(inputs[0]))
        for name, quantiser in made.named_children()
        if isinstance(quantiser, Quantiser)
    ]
    made.eval()(x)
    for hook in hooks:
        hook.remove()
    return made


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of images whose highest score is at their label."""
    with torch.no_grad():
        return float((network(x).argmax(1) == y).float().mean())


def train(float_epochs: int = 60, quant_epochs: int = 60, seed: int = 0) -> tuple[FloatNetwork, QuantNetwork]:
    """The two trained networks; the quantised one starts from the float one."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x, y, _, _ = (torch.from_numpy(array) for array in digits())
    network = FloatNetwork()
    fit(network, x, y, epochs=float_epochs, rate=1e-2, seed=seed)
    quantised = quantised_from(copy.deepcopy(network), x[:256])
    fit(quantised, x, y, epochs=quant_epochs, rate=3e-3, seed=seed)
    return network, quantised


def main() -> None:
    """Train, print the accuracies, write the files here and in `bitwright/demo`."""
    network, quantised = train()
    calibration, _, x_test, y_test = digits()
    x, y = torch.from_numpy(x_test), torch.from_numpy(y_test)
    print(f"float {accuracy(network, x, y):.4f}  quantised {accuracy(quantised, x, y):.4f}")
    with torch.no_grad():
        outputs = quantised(x[:64]).numpy()
    arrays = {"x": x_test, "y": y_test, "inputs": x_test[:64], "outputs": outputs, "calibration": calibration[:256]}
    model = export(quantised, "digits")
    onnx.save(export(network, "digits_float"), HERE / "digits_float.onnx")
    DEMO.mkdir(exist_ok=True)
    for folder, data in ((HERE, "digits_data.npz"), (DEMO, "digits.npz")):
        onnx.save(model, folder / "digits.onnx")
        np.savez_compressed(folder / data, **arrays)


if __name__ == "__main__":
    main()
