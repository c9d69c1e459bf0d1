# SPDX-License-Identifier: Apache-2.0
"""Called by Verilator's makefiles in front of the compiler: models are compiled for a run that is over at once.

Without optimisation, which takes longer than what it saves; and Verilator's own runtime, the same in every model and
more than half of what a small one compiles, once for all models of a run of tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path


def main(folder: Path, command: list[str]) -> int:
    command = ["-O0" if part in ("-O1", "-Os") else part for part in command]
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
