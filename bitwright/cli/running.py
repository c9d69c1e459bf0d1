# SPDX-License-Identifier: Apache-2.0
"""What `simulate` and `bench` do: a data file through a network, and how fast that goes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from bitwright import api, bench, data
from bitwright.explore.metrics import accuracy
from bitwright.ir.graph import Graph
from bitwright.sim.engines import ENGINES, FAST, REFERENCE, find

Array = data.Array


def simulated(
    net: Graph, held: data.Data, engine: str, say: Callable[[str], None], write: Callable[[bytes], None]
) -> dict[str, Any]:
    """What the report of `simulate` says of outputs, which are written as `.npz`."""
    start = time.perf_counter()

    def progress(samples: int) -> None:
        say(f"{samples:,} of {held.samples:,} samples, {samples / (time.perf_counter() - start):,.0f} a second")

    x = held.inputs[0] if len(held.inputs) == 1 else held.inputs
    results = api.run(net, x, engine=engine, progress=progress)
    arrays = results if isinstance(results, list) else [results]
    named = {f"outputs_{index}" if index else "outputs": array for index, array in enumerate(arrays)}
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **named)
    rows = [{"name": name, "shape": list(array.shape), "dtype": str(array.dtype)} for name, array in named.items()]
    write(content.getvalue())
    return {"outputs": rows, **_stand_in(net, [engine]), **_scored(arrays, held)}


def _stand_in(net: Graph, names: list[str]) -> dict[str, str]:
    """The line that the reference computes in place of another of the engines, where it does."""
    own = (ENGINES[name] for name in names if not find(name).needs_design)
    return next(
        ({"computed_by": f"{REFERENCE}, {why}"} for each in own if (why := each.build(net, None).stands_in)), {}
    )


def _scored(arrays: list[Array], held: data.Data) -> dict[str, float]:
    """The accuracy, where the data file holds labels and the model has one output with more than one score."""
    if held.labels is None or len(arrays) != 1 or arrays[0][0].size < 2:
        return {}
    return {"accuracy": accuracy(arrays[0], held.labels)}


def benched(net: Graph, held: data.Data | None, engines: str | None, say: Callable[[str], None]) -> dict[str, Any]:
    """The report of `bench`: rates of the engines that can run here and of onnxruntime, and those of each layer."""
    arrays = list(held.inputs) if held else bench.inputs_of(net, max(bench.BATCHES))
    names = engines.split(",") if engines else [name for name, engine in ENGINES.items() if not engine.needs_design]
    stand_in = _stand_in(net, names)
    layers, peak = bench.layer_rates(net) if find(FAST).build(net, None).stands_in == "" else ([], 0.0)
    return {
        "rates": [asdict(rate) for rate in _rates(net, arrays, names, say)],
        "peak_macs_per_second": peak,
        "layers": [asdict(layer) for layer in layers],
        **stand_in,
        **(_scored(_as_list(api.run(net, arrays)), held) if held else {}),
    }


def _rates(net: Graph, arrays: list[Array], names: list[str], say: Callable[[str], None]) -> Iterator[bench.Rate]:
    for name in names:
        say(f"engine {name}")
        design = api.compile(net) if find(name, "--engines").needs_design else None
        yield from bench.engine_rates(net, name, design, arrays)
    say("onnxruntime")
    if theirs := bench.onnxruntime_rate(net, arrays):
        yield theirs


def _as_list(found: Any) -> list[Array]:
    return found if isinstance(found, list) else [found]


def drawn(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], list[dict[str, Any]]]]:
    """The tables of a report of `bench`: title, columns, rows."""
    rates = [row | {"samples_per_second": f"{row['samples_per_second']:,.0f}"} for row in result["rates"]]
    yield "samples per second", {"name": "by", "samples_per_second": "samples/s", "batch": "of a batch of"}, rates
    layers = [
        row | {"microseconds": f"{row['microseconds']:.2f}", "peak_share": _percent(row["peak_share"])}
        for row in result["layers"]
    ]
    columns = {"layer": "layer", "op": "op", "macs": "MACs", "microseconds": "us a sample", "peak_share": "of the peak"}
    if layers:
        yield f"engine fast, peak {result['peak_macs_per_second'] / 1e9:.0f} GMAC/s of a core", columns, layers


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def scored(result: Mapping[str, Any]) -> list[str]:
    """The lines of what computed in place of the engine, and of the accuracy, where there are any."""
    by = [f"computed by the {result['computed_by']}"] if "computed_by" in result else []
    return by + ([f"accuracy {result['accuracy']:.4f}"] if "accuracy" in result else [])
