# SPDX-License-Identifier: Apache-2.0
"""What Yosys makes of the random designs, of some modules alone and of five networks: cells of every module.

    python -m benchmarks.fit.measure [--designs N] [--models DIR] [--judged]

Puts into `samples.jsonl` beside this file what is missing there, and anew what is not as it was; a module of which
there is a line is not made again. Hours on two cores from nothing. `benchmarks.fit` fits to it. With --judged only what
the model is judged by is looked at: its layers must be those of today's designs, and the fit does not change.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import bitwright
from benchmarks.fit.benches import benches
from benchmarks.fit.designs import design, sparse_design
from benchmarks.fit.library import OWN, called, kept
from benchmarks.fit.samples import BENCH, SAMPLES, Samples, forget, is_held_back, read, write
from benchmarks.fit.yosys import NOTHING, Instance, Modules, alone, count, elaborated, instances
from bitwright.backends.verilog.project import instances as owners
from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.plan import Plan
from bitwright.planning.rule import fold
from bitwright.sim import tools

MODELS = Path(__file__).parents[2].parent / "shared/models"
NETWORKS = {
    "tflite/kws_dscnn_int8": 100_000,
    "deeploy/miniMobileNet": 60_000,
    "brevitas/dw_res_qonnx": 1_728,
    "qonnx_zoo/TFC_2W2A": 784,
    "qonnx_zoo/kwsmlp_w3a3": 392,
}
"""Networks that the model is judged by, and the clocks per frame that they are folded for."""

SERIES7 = ("bw_mas_lane", "bw_packed_product", "bw_adder", "bw_multiplier", "bw_fifo", "bw_ram", "bw_fifo_shift")
"""Modules with distributed memory or DSP slices, of which there are others on series 7."""

Layers = Mapping[str, Sequence[Instance]]


def network(models: Path, name: str) -> Design:
    """The design of a network of the collection, folded by the simple rule, which looks at no estimate."""
    meta = json.loads((models / name / "meta.json").read_text())
    graph = bitwright.load(models / name / "model.onnx", inputs=meta.get("input_types", {}))
    return compile_graph(graph, plan=Plan(fold(graph, NETWORKS[name]), NETWORKS[name]))


def layers_of(made: Design) -> Layers:
    """The instances of each layer; those at the boundary are under ""."""
    found: dict[str, list[Instance]] = {}
    serves = owners(made.kernels)
    for name, instance in instances(made).items():
        found.setdefault(serves[name], []).append(instance)
    return found


def wanted(count: int, models: Path) -> Iterator[tuple[str, Callable[[], Layers]]]:
    """Every design by its name with what makes its layers: modules alone, random ones by their seeds, networks."""
    yield BENCH, lambda: {BENCH: list(benches())}
    for seed in range(count):
        yield f"random {seed}", partial(_random, design, seed)
    for seed in range(count // 3):
        yield f"sparse {seed}", partial(_random, sparse_design, seed)
    for name in NETWORKS:
        yield name, partial(_network, models, name)


def _random(draw: Callable[[int], Design], seed: int) -> Layers:
    return layers_of(draw(seed))


def _network(models: Path, name: str) -> Layers:
    return layers_of(network(models, name))


def digest(layers: Layers) -> str:
    """Names everything that is synthesised of a design."""
    return sha256(repr(sorted(layers.items())).encode()).hexdigest()[:12]


def held(modules: Modules, name: str) -> Counter[str]:
    """The modules of a module with itself, by derived name, and how often they are in it."""
    found = Counter({name: 1})
    for below, number in modules[name].holds.items():
        for inner, times in held(modules, below).items():
            found[inner] += number * times
    return found


def on_series7(made: Modules) -> dict[str, Sequence[int]]:
    """What series 7 takes for those of `made` that differ there, by derived name."""
    other = {name: module for name, module in made.items() if module.name in SERIES7}
    found, names = count(alone(other.values()), {}, "xc7") if other else ({}, [])
    return {name: found[derived].own for name, derived in zip(other, names, strict=True)}


def entries(
    samples: Samples,
    design: str,
    layers: Layers,
    modules: Modules,
    series7: Mapping[str, Sequence[int]],
    names: Sequence[str],
) -> Iterator[Any]:
    """The lines of a design: its modules that no line has, then its layers; `names` are those of its instances."""
    places = {_key(module.name, module.parameters): place for place, module in enumerate(samples.modules)}
    rest = iter(names)
    for layer, made in layers.items():
        holds: Counter[int] = Counter()
        for inner, times in sum((held(modules, next(rest)) for _ in made), Counter[str]()).items():
            module = modules[inner]
            name = called(module.name, module.parameters)
            if name not in OWN:
                continue
            parameters = kept(name, module.parameters)
            key = _key(name, parameters)
            if key not in places:
                places[key] = len(places)
                seven = {"xc7": series7[inner]} if inner in series7 else {}
                yield {"module": name, "parameters": parameters, "counted": module.own} | seven
            holds[places[key]] += times
        yield {"design": design, "layer": layer, "holds": dict(holds)}


def measured(samples: Samples, instances: Sequence[Instance], known: Modules) -> Modules:
    """The modules that `instances` hold beyond those `known` of which, and of all in which, there is a line already."""
    lines = {_key(module.name, module.parameters): module.counted for module in samples.modules}
    found: Modules = {}
    for name, module in elaborated(instances, known).items():
        kind = called(module.name, module.parameters)
        counted = lines.get(_key(kind, kept(kind, module.parameters))) if kind in OWN else NOTHING
        if counted is not None:
            found[name] = replace(module, own=counted)
    while missing := [name for name, module in found.items() if not module.holds.keys() <= found.keys() | known.keys()]:
        for name in missing:
            del found[name]
    return found


def _key(name: str, parameters: Mapping[str, Any]) -> str:
    return name + json.dumps(parameters, sort_keys=True)


def main() -> None:
    """Measure what is missing."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--designs", type=int, default=48, help="random designs (48), and a third as many sparse ones")
    asked.add_argument("--models", type=Path, default=MODELS)
    asked.add_argument("--judged", action="store_true", help="only the designs that are held back")
    args = asked.parse_args()
    tool = tools.yosys()
    if not SAMPLES.exists():
        write(SAMPLES, [{"tool": f"{tool.name} {tool.version_text}", "family": "xcup"}])
    modules: Modules = {}
    for name, made in wanted(args.designs, args.models):
        if args.judged and not is_held_back(name):
            continue
        layers = made()
        samples, now = read(), digest(layers)
        if samples.digests.get(name) != now:
            whole = [instance for each in layers.values() for instance in each]
            modules |= measured(samples, whole, modules)
            counted, names = count(whole, modules)
            modules |= counted
            lines = entries(samples, name, layers, modules, on_series7(counted), names)
            forget(SAMPLES, name)
            write(SAMPLES, [*lines, {"design": name, "digest": now}])
            print(name, len(counted), "modules", flush=True)


if __name__ == "__main__":
    main()
