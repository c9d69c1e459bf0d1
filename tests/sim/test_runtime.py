# SPDX-License-Identifier: Apache-2.0
"""Verilator's runtime in the user's cache: compiled for the first model, taken for all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.frontend.build import Net
from bitwright.sim import rtl, tools
from tests.needs import needs_rtl

X = np.arange(12).reshape(3, 4)
WEIGHTS = np.arange(8).reshape(2, 4) - 3


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    net = Net()
    net.dense(net.input("x", (4,), "u4"), WEIGHTS)
    return compile_graph(net.graph(), cycles=100).files("verilog")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing else that keeps what a compiler made."""
    monkeypatch.delenv("OBJCACHE", raising=False)
    monkeypatch.setattr(tools, "cache_folder", lambda: tmp_path / "cache")
    yield tmp_path / "cache"


def computed(model: rtl.RtlModel) -> list[list[int]]:
    outputs: list[list[int]] = model.run([X]).outputs[0].tolist()
    return outputs


def compiled_runtime(model: rtl.RtlModel) -> bool:
    """Whether the runtime was compiled for this model: the compiler then says what it depends on."""
    return (model.folder / "obj_dir/verilated.d").exists()


@needs_rtl
def test_models_at_once_fill_the_cache_and_later_ones_take_from_it(files: Mapping[str, str], cache: Path) -> None:
    with ThreadPoolExecutor() as pool:
        first = list(pool.map(rtl.build, [files, files]))
    assert all(map(compiled_runtime, first))
    (folder,) = cache.iterdir()
    assert {path.suffix for path in folder.iterdir()} == {".o"}
    later = rtl.build(files)
    assert not compiled_runtime(later)
    assert [computed(model) for model in (*first, later)] == [(X @ WEIGHTS.T).tolist()] * 3


@needs_rtl
def test_other_flags_are_another_runtime(
    files: Mapping[str, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtl.build(files)
    monkeypatch.setattr(rtl, "SPEED", ("OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0 -DOTHER"))
    assert compiled_runtime(rtl.build(files))
    assert len(list(cache.iterdir())) == 2


@needs_rtl
def test_a_cache_that_cannot_be_written_is_none(files: Mapping[str, str], cache: Path) -> None:
    cache.write_text("a file where the folder would be")
    assert computed(rtl.build(files)) == (X @ WEIGHTS.T).tolist()
