# SPDX-License-Identifier: Apache-2.0
"""A training in a file: all that the rest of it depends on, written whole or not at all, and read as numbers alone."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwright.compress.torch.executor import Executor
from bitwright.ir.errors import BitwrightError

HINT = "give another file, or remove this one"
BROKEN = (EOFError, KeyError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a file of another kind, or a part of one, comes to."""
Arrays = Mapping[str, NDArray[Any]]


class Live(NamedTuple):
    """What moves while a network is trained: itself, the optimiser, the order of the samples, each epoch's loss."""

    module: Executor
    optimiser: torch.optim.Optimizer
    order: torch.Generator
    losses: list[float]


class Checkpoint:
    """The file of one training, which `key` names: other networks, data and options have others."""

    def __init__(self, path: str | Path, key: str) -> None:
        self.path, self.key = Path(path), key

    def save(self, live: Live) -> None:
        """Write what is there."""
        held = {f"module/{name}": tensor for name, tensor in live.module.state_dict().items()}
        for place, group in enumerate(live.optimiser.param_groups):
            held[f"begun/{place}"] = torch.tensor(group["begun"], dtype=torch.float64)
            for name, tensor in live.optimiser.state[group["params"][0]].items():
                held[f"optimiser/{place}/{name}"] = tensor
        arrays: dict[str, Any] = {name: tensor.detach().cpu().numpy() for name, tensor in held.items()}
        arrays |= {"key": np.array(self.key), "losses": np.array(live.losses)}
        arrays |= {"order": live.order.get_state().numpy(), "random": torch.get_rng_state().numpy()}
        fresh = self.path.with_name(f"{self.path.name}.part")
        try:
            with fresh.open("wb") as file:
                np.savez(file, **arrays)
            fresh.replace(self.path)
        except OSError as error:
            raise self._error(f"cannot be written: {error.strerror}", "give a path that can be written") from error
        finally:
            fresh.unlink(missing_ok=True)

    def load(self, live: Live) -> None:
        """Put everything back where the file left it; nothing without a file."""
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as opened, np.load(opened) as file:
                held = dict(file)
            key = str(held["key"])
        except BROKEN as error:
            raise self._error("is no checkpoint of a training", HINT) from error
        if key != self.key:
            raise self._error("is of another training: the network, the data or an option differs", HINT)
        _put_back(live, held)
        live.losses[:] = held["losses"].tolist()
        live.order.set_state(torch.from_numpy(held["order"]))
        torch.set_rng_state(torch.from_numpy(held["random"]))

    def _error(self, what: str, hint: str) -> BitwrightError:
        return BitwrightError(what, where=str(self.path), hint=hint)


def _put_back(live: Live, held: Arrays) -> None:
    """The tensors of the network and of the optimiser."""
    tensors = {name.partition("/")[2]: torch.from_numpy(held[name]) for name in held if name.startswith("module/")}
    for name, tensor in tensors.items():
        kind, _, mask = name.partition(".")
        if kind == "masks":  # which come while a network is trained
            live.module.masks[mask] = nn.Parameter(tensor, requires_grad=False)
    live.module.load_state_dict(tensors)
    for place, group in enumerate(live.optimiser.param_groups):
        group["begun"] = float(held[f"begun/{place}"])
        start = f"optimiser/{place}/"
        kept = {name.removeprefix(start): torch.from_numpy(held[name]) for name in held if name.startswith(start)}
        live.optimiser.state[group["params"][0]] = kept


def digest(*parts: object) -> str:
    """The sha256 of tensors and of what prints as itself."""
    found = sha256()
    for part in parts:
        if isinstance(part, Tensor):
            found.update(repr((part.dtype, tuple(part.shape))).encode())
            found.update(part.detach().cpu().contiguous().numpy().tobytes())
        else:
            found.update(repr(part).encode())
    return found.hexdigest()
