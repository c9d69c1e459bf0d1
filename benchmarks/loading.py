# SPDX-License-Identifier: Apache-2.0
"""Times loading: every network of a collection, the slowest five shown, and a model in the shape of ResNet-50.

python benchmarks/loading.py [MODELS]

MODELS holds FAMILY/NAME/{model.onnx,meta.json}, `../shared/models` unless given. Exits 1 if a target is missed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import resnet
from corpus import MODELS, load, networks, title

LIMIT = 2.0
"""Seconds for a network of the collection."""
LARGE_LIMIT, LARGE_MEMORY = 30.0, 4096.0
"""Seconds and MiB for the large model, in a process of its own."""
SHOWN = 5


def seconds_of(folder: Path) -> float:
    start = perf_counter()
    load(folder)
    return perf_counter() - start


def collection(models: Path) -> bool:
    """Load every network, print the slowest, and say whether all are fast enough."""
    found = sorted(((seconds_of(folder), title(folder)) for folder in networks(models)), reverse=True)
    print(f"{len(found)} networks of {models}; the slowest, each below {LIMIT:g} s:")
    for seconds, name in found[:SHOWN]:
        print(f"  {name:<40} {seconds:6.2f} s")
    return all(seconds < LIMIT for seconds, _ in found)


def large() -> bool:
    """Load the ResNet-50-shaped model in another process, print time and peak memory, and say whether both do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "resnet50.onnx")
        weights = resnet.write(path)
        code = f"import bitwright, time; start = time.perf_counter(); bitwright.load({str(path)!r}); "
        code += "print(time.perf_counter() - start)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, memory = float(done.stdout), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"ResNet-50-shaped QDQ, {weights / 1e6:.1f} M weights: {seconds:.1f} s, below {LARGE_LIMIT:g}; ", end="")
    print(f"peak memory {memory:.0f} MiB, below {LARGE_MEMORY:g}")
    return seconds < LARGE_LIMIT and memory < LARGE_MEMORY


def main(models: Path) -> int:
    met = [large()]
    if models.is_dir():
        met.append(collection(models))
    else:
        print(f"{models} is absent: its networks are left out")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else MODELS))
