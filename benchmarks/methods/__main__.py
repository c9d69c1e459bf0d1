# SPDX-License-Identifier: Apache-2.0
"""Every quantiser, criterion, search strategy and factoriser beside the others; writes docs/comparing-methods.md.

    python -m benchmarks.methods [TABLE ...] [--only TEXT] [--again TEXT] [--data FOLDER]

TABLE is agents, criteria, factors, quantisers or rounding, else all of them; `page` alone writes the page of what was
measured before. What is in benchmarks/data/methods.jsonl is not measured again, but for what --again has in its name:
"criteria|80 % of the weights|obs|digits_cnn|0" is one. A method that is registered is a row by itself.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.methods.material import NETWORKS, SEEDS, Material
from benchmarks.methods.page import PAGE, page
from benchmarks.methods.store import Cell, Found, Store
from benchmarks.methods.tables import TABLES
from benchmarks.train import DATA
from bitwright.ir.errors import BitwrightError


def cells(table: str, folder: Path) -> Iterator[tuple[Cell, Material]]:
    """All of a table, method by method, so that a row is whole as soon as can be."""
    materials = [Material(network, seed, folder) for network in NETWORKS for seed in SEEDS]
    for case, method in TABLES[table].rows():
        for material in materials:
            yield Cell(table, case, method, material.network, material.seed), material


def found(cell: Cell, material: Material) -> Found:
    """What is measured, and the seconds of the processor that it took; or why it cannot be."""
    start = time.process_time()
    try:
        made = TABLES[cell.table].measured(material, cell.case, cell.method)
    except BitwrightError as error:
        return {"refused": f"{error.what}"}
    return {**made, "seconds": round(time.process_time() - start, 2)}


def main(arguments: Sequence[str]) -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=[*TABLES])
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    parser.add_argument("--again", help="measure anew what has this in its name")
    parser.add_argument("--data", type=Path, default=DATA, help="a folder with the networks and their images")
    given = parser.parse_args(arguments)
    if unknown := set(given.tables) - {*TABLES, "page"}:
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}, and page")
    store = Store()
    for table in given.tables:
        for cell, material in cells(table, given.data) if table in TABLES else ():
            name = "|".join(map(str, cell))
            known = cell in store.found and not (given.again and given.again in name)
            if known or given.only not in name:
                continue
            store.keep(cell, made := found(cell, material))
            print(name, made.get("refused") or f"{made['seconds']} s", flush=True)
    PAGE.write_text(page(Store().found))


if __name__ == "__main__":
    main(sys.argv[1:])
