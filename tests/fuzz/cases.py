# SPDX-License-Identifier: Apache-2.0
"""Case k of a seed: one model, a few mutations; the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError

from tests.fuzz.structure import STRUCTURE
from tests.fuzz.tensors import TENSORS
from tests.fuzz.wire import WIRE


@dataclass(frozen=True, slots=True)
class Case:
    """A file to load; `story` says how it came about."""

    index: int
    story: str
    data: bytes


def make_case(seed: int, index: int, models: Mapping[str, bytes]) -> Case:
    rng = np.random.default_rng([seed, index])
    name = sorted(models)[int(rng.integers(len(models)))]
    data, story = models[name], [name]
    if rng.random() < 0.75:
        data = _mutate_graph(data, rng, story)
    if len(story) == 1 or rng.random() < 0.05:
        mutation = WIRE[int(rng.integers(len(WIRE)))]
        story.append(f"wire.{mutation.__name__}")
        data = mutation(data, rng) if data else data
    return Case(index, " ".join(story), data)


def _mutate_graph(data: bytes, rng: np.random.Generator, story: list[str]) -> bytes:
    proto = onnx.ModelProto.FromString(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        family = TENSORS if rng.random() < 0.45 else STRUCTURE
        mutation = family[int(rng.integers(len(family)))]
        try:
            mutation(proto, rng)
        except (ValueError, TypeError, UnicodeError, DecodeError, EncodeError):  # protobuf refuses to hold the value
            continue
        story.append(f"{mutation.__module__.rsplit('.', 1)[-1]}.{mutation.__name__}")
    return proto.SerializeToString()
