# SPDX-License-Identifier: Apache-2.0
"""Accuracy after quantising, ours and other tools', on the same networks, data and widths; writes the page of docs.

    python -m benchmarks.quantise RESULTS.json [--peers PYTHON] [--resnet MODEL.onnx --images CIFAR.npz] [--write]

RESULTS.json keeps what has run, so that a run goes on where the last one ended; of our own methods it keeps nothing
that another version of the package measured. PYTHON is that of an environment with brevitas and aimet-onnx, in which
`quantise_peers.py` runs; without one the other tools are left out. ResNet-8 and its images are not part of this
repository. Every figure is of three seeds: three networks, or for ResNet-8 three draws of the calibration images.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quantise_ours import FLOAT, OURS, RULES
from benchmarks.quantise_page import Key, page
from benchmarks.quantise_peers import METHODS
from bitwright.sim import tools

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).with_name("data")
SEEDS = range(3)
WIDTHS = ((8, 8), (4, 8), (4, 4))
NARROW = ((3, 3), (2, 2))
"""Only ours: most tools end at four bits."""
Array = NDArray[Any]


@dataclass(frozen=True)
class Network:
    """A network of three seeds and its data: `divisor` is what the bytes of an image are divided by."""

    name: str
    files: tuple[Path, ...]
    images: Path
    divisor: int
    calibration: int = 256

    def data(self, seed: int) -> tuple[Array, Array, Array]:
        """(calibration, test images, labels); where the seeds share a file, each draws its own calibration."""
        with np.load(self.images) as held:
            kept, x, y = held["calibration"], held["x"], held["y"]
        if self.calibration < len(kept):
            kept = kept[np.random.default_rng(seed).choice(len(kept), self.calibration, replace=False)]
        images, tests = ((array / self.divisor).astype(np.float32) for array in (kept, x))
        return images, tests, y


def networks(resnet: Path | None, images: Path | None) -> Iterator[Network]:
    for name, held, divisor in (
        ("digits_cnn", "digits", 16),
        ("digits_res", "digits", 16),
        ("mnist5k_ds", "mnist5k", 255),
    ):
        files = tuple(DATA / f"{name}_{seed}.onnx" for seed in SEEDS)
        yield Network(name, files, DATA / f"{held}.npz", divisor)
    if resnet and images:
        yield Network("resnet8", (resnet,) * len(SEEDS), images, 1, 128)


def wanted(network: Network, peers: bool) -> Iterator[Key]:
    """All that is measured of a network."""
    for seed in SEEDS:
        yield Key(network.name, seed, 32, 32, FLOAT)
        for bits in (*WIDTHS, *NARROW):
            yield from (Key(network.name, seed, *bits, method) for method in OURS if method != FLOAT)
        for bits in ((8, 8), (6, 6), (5, 5), (4, 4)):
            yield from (Key(network.name, seed, *bits, method) for method in RULES)
        for bits in WIDTHS if peers else ():
            yield from (Key(network.name, seed, *bits, method) for method in METHODS)


class Worker:
    """A program that answers lines of JSON, started when it is first asked, on one thread."""

    def __init__(self, *command: str) -> None:
        self.command, self.process = command, None

    process: subprocess.Popen[str] | None

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
            env = tools.environment() | one | {"PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(
                self.command,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the program ended"}
        return answer

    def end(self) -> None:
        """Ends the program."""
        if self.process is not None and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()


def source() -> str:
    """A digest of the package: what another version of it measured does not count."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "bitwright" / "compress").rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def measured(given: argparse.Namespace, kept: dict[str, Any], save: Callable[[], None]) -> None:
    """Fills `kept` with what is wanted and not there."""
    version = source()
    ours = Worker(sys.executable, str(Path(__file__).with_name("quantise_ours.py")))
    theirs = Worker(str(given.peers), str(Path(__file__).with_name("quantise_peers.py")))
    with tempfile.TemporaryDirectory() as folder:
        for network in networks(given.resnet, given.images):
            for key in wanted(network, given.peers is not None):
                is_theirs, place = key.method in METHODS, "|".join(map(str, key))
                if given.only not in f"{place}+":
                    continue
                if place in kept and (is_theirs or kept[place].get("version") == version):
                    continue
                data = Path(folder, f"{network.name}_{key.seed}.npz")
                calibration, x, y = network.data(key.seed)
                if not data.exists():
                    np.savez(data, calibration=calibration, x=x)
                job = key._asdict() | {"net": str(network.files[key.seed]), "data": str(data)}
                del job["network"]
                answer = (theirs if is_theirs else ours).ask(job)
                if "labels" in answer:
                    answer["right"] = "".join("01"[int(a == b)] for a, b in zip(answer.pop("labels"), y, strict=True))
                kept[place] = answer | ({} if is_theirs else {"version": version})
                said = answer.get("error") or f"{100 * answer['right'].count('1') / len(y):.2f}"
                print(place, said, f"{answer.get('seconds', 0):.1f} s", flush=True)
                save()
    ours.end()
    theirs.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--peers", type=Path, help="the Python of an environment with brevitas and aimet-onnx")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny as ONNX")
    parser.add_argument("--images", type=Path, help="CIFAR-10 images: calibration, x, y")
    parser.add_argument(
        "--only", default="", help="measure only what has this in its name, of which the end is written +"
    )
    parser.add_argument("--write", action="store_true", help="write docs/quantising-accuracy.md")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.results.read_text()) if given.results.exists() else {}
    measured(given, kept, lambda: given.results.write_text(json.dumps(kept)))
    text = page({Key(a, int(b), int(c), int(d), e): value for (a, b, c, d, e), value in _parts(kept)}, given.peers)
    if given.write:
        (ROOT / "docs/quantising-accuracy.md").write_text(text)
    else:
        print(text)


def _parts(kept: dict[str, Any]) -> Iterator[tuple[list[str], Any]]:
    for place, value in kept.items():
        yield place.split("|"), value


if __name__ == "__main__":
    main()
