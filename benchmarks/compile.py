# SPDX-License-Identifier: Apache-2.0
"""Processor time and peak memory of `bitwright compile` on three networks of random weights, each beside its limits.

python benchmarks/compile.py [NAME]

All of what the command does counts, both projects included. Exits 1 if a limit is exceeded.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import inverted
from mobilenet import mobilenet

from bitwright.ir.files import save


class Row(NamedTuple):
    """Who writes the network, the file's name, the options, and the limits: seconds and MB."""

    write: Callable[[Path], object]
    file: str
    options: tuple[str, ...]
    seconds: float
    memory: float


ROWS = {
    "lines of text, squeeze and excite, 3 x 48 x 192": Row(
        inverted.lines_classifier, "lines.onnx", ("--cycles", "250000"), 30, 700
    ),
    "MobileNet v2, 96 x 96": Row(inverted.mobilenet_v2, "mobilenet_v2.onnx", ("--cycles", "800000"), 40, 1000),
    "MobileNet v1, 224 x 224, 8 bits": Row(
        lambda path: save(mobilenet(8), path),
        "mobilenet_v1.bw",
        ("--cycles", "2000000", "--part", "xcu250"),
        60,
        2000,
    ),
}


def measured(command: list[str | Path]) -> tuple[float, float]:
    """Seconds of processor time that `command` and its children take, and its peak memory in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def machine() -> str:
    """The processor, by the name it has on Linux, and how many of them."""
    said = Path("/proc/cpuinfo")
    lines = said.read_text().splitlines() if said.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main(only: str) -> int:
    met = []
    print(machine())
    for name, row in ROWS.items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, row.file)
            row.write(model)
            command = [sys.executable, "-m", "bitwright", "compile", model, *row.options, "-o", Path(folder, "design")]
            seconds, memory = measured(command)
        print(f"{name:<50} {seconds:6.1f} cpu-s, below {row.seconds:g}; {memory:6.0f} MB, below {row.memory:g}")
        met.append(seconds < row.seconds and memory < row.memory)
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
