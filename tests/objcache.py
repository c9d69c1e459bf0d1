# SPDX-License-Identifier: Apache-2.0
"""Called by Verilator's makefiles in front of the compiler: its runtime is compiled once for all models of a run.

The runtime is Verilator's own source, the same in every model, and more than half of what a small model compiles.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path


def main(folder: Path, command: list[str]) -> int:
    source = Path(command[-1])
    if not (source.is_absolute() and source.match("include/verilated*.cpp") and command[-3] == "-o"):
        return subprocess.call(command)
    target = Path(command[-2])
    kept = folder / f"{sha256(repr(command).encode()).hexdigest()}.o"
    if not kept.exists():
        if code := subprocess.call(command):
            return code
        mine = folder / f"{os.getpid()}.o"
        shutil.copyfile(target, mine)
        mine.rename(kept)
    else:
        shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
