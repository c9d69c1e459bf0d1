# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: mutated models must load and run, or be refused by one message with a place.

python -m tests.fuzz --cases 20000 --seed 0        exit code 1 if there is a finding
python -m tests.fuzz --seed 0 --case 1234          one case, in this process, its file kept
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import make_case
from tests.fuzz.judge import judge
from tests.fuzz.seeds import seeds
from tests.fuzz.workers import run_cases, surroundings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the case to begin with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--case", type=int, help="only this case, in this process")
    options = parser.parse_args()
    if options.case is not None:
        return one(options.seed, options.case)
    return many(options.seed, range(options.first, options.first + options.cases), options.jobs)


def one(seed: int, index: int) -> int:
    case = make_case(seed, index, seeds())
    inside = surroundings(Path(tempfile.mkdtemp()))
    kind, details = judge(case.data, inside, deep=True)
    print(f"case {index} ({case.story}) in {inside}: {kind}\n{details}")
    return kind == "finding"


def many(seed: int, indices: range, jobs: int) -> int:
    models = seeds()
    counts: Counter[str] = Counter()
    kinds: dict[str, list[int]] = {}
    slowest, start = (0.0, 0), time.monotonic()
    for done, verdict in enumerate(run_cases(seed, indices, models, jobs), start=1):
        counts[verdict.kind] += 1
        slowest = max(slowest, (verdict.seconds, verdict.index))
        if verdict.kind == "finding":
            kinds.setdefault(_signature(verdict.details), []).append(verdict.index)
            print(f"case {verdict.index} ({make_case(seed, verdict.index, models).story}):\n{verdict.details}\n")
        if done % 1000 == 0:
            print(f"{done} of {len(indices)}: {_summary(counts)}", file=sys.stderr, flush=True)
    for signature, cases in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(cases):5} x {signature}   (first case {min(cases)})")
    seconds = time.monotonic() - start
    print(f"{len(indices)} cases of seed {seed} in {seconds:.0f} s: {_summary(counts)}; slowest {slowest[0]:.1f} s "
          f"(case {slowest[1]})")  # fmt: skip
    return 1 if counts["finding"] else 0


def _summary(counts: Counter[str]) -> str:
    return f"{counts['loaded']} loaded, {counts['refused']} refused, {counts['finding']} findings"


def _signature(details: str) -> str:
    """Where a finding comes from: the last line of ours in its traceback, and the exception."""
    lines = details.strip().splitlines()
    places = [line.strip() for line in lines if "/bitwright/" in line and ", line " in line]
    place = places[-1].split("/bitwright/")[-1] if places else lines[0]
    error = re.sub("'[^']*'|[0-9.]+", "_", lines[-1])
    return f"{place} {error[:90]}"


if __name__ == "__main__":
    sys.exit(main())
