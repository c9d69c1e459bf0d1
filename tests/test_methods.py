# SPDX-License-Identifier: Apache-2.0
"""The methods of compression: listed as their docstrings tell of them, each known to its own file alone.

The catalogue `tests/methods.json` has the rows that a method can stand for, what they are, and how they are tested.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import bitwright
from bitwright.cli.commands import main
from bitwright.compress.family import Family
from bitwright.compress.options import Options
from bitwright.ir.errors import BitwrightError
from bitwright.methods import NAMED, NAMES, Method, methods, read, registries
from tests.needs import needs_package
from tests.test_touch import python

ROOT = Path(bitwright.__file__).parent
TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
FOUND = methods()
ROWS: dict[str, dict[str, Any]] = {row["id"]: row for row in json.loads((TESTS / "methods.json").read_text("utf-8"))}
MARK = re.compile(r"@pytest\.mark\.rows\(([^)]*)\)")
TOLD = {row for method in FOUND for row in method.rows}
TESTED = {
    row for path in TESTS.rglob("test_*.py") for marked in MARK.findall(path.read_text()) for row in marked.split('"')
}
LISTED = set(re.findall(r"R\d{3}", (DOCS / "bibliography.md").read_text("utf-8")))
OPEN: frozenset[str] = frozenset(
    """
    """.split()
)
"""Rows that nothing stands for as yet: one that does must leave the list."""
HARDWARE = {
    "R162": "rounding by chance in hardware: the gradients and the weights of training round so, the integers never",
    "R164": "a register of the width of a network at run time: each width is a design of its own",
    "R167": "Winograd's and Strassen's transforms: a convolution multiplies by each of its weights",
    "R169": "spiking neurons: what is binary has no time",
}
"""Rows that ask for hardware that is not there, and what there is: they are not part of this."""
ANEW = {
    "R009": "the sensitivities of groups of weights and tensors, of networks without recurrent layers",
    "R040": "storage codes, which are decoded before the compiler: there is no decoder at run time",
    "R045": "an aid that lessens the entropy of activations; these are not coded between layers in hardware",
    "R069": "the criterion `magnitude` on any weight; recurrent layers are not read",
    "R096": "gates that are the same for every input, for hardware does not choose at run time",
    "R132": "an agent that chooses for all inputs alike, by a table: what is stored is what is used",
    "R136": "designs for limits of each resource by the table of prices: no register switches widths at run time",
    "R112": "the search over widths and zeros for dense and convolutional networks",
}
"""What rows become whose papers are about recurrent layers, decoders at run time, or hardware that heeds its input."""
PLAIN = frozenset(
    """
    auto bops ebops energy evolve factor gates ilp kd logits lsq max nearest norm permanent straight-through svd values
    """.split()
)
"""What everyone does, and other methods start from; costs, which are objectives too."""
ORDINARY = frozenset(
    """
    alike attention codes cubic dorefa entropy generated hashed int8 kl l1 logits lottery magnitude mixture mobilenet
    multipliers noise nsga2 nsga3 operations range rank rate resnet sawb scratch snapshot square step tanh ternary
    threshold tolerance values vectors weights xnor zeros
    """.split()
)
"""Words by which other things go too: there only the function counts."""
EVERYWHERE = (*PLAIN, *asdict(Options()).values())
"""Names that others start from, and the defaults; what the compiler does is no method of one's own."""
MOST = 2
"""Shipped files that know a method: its own, and one that starts from it."""


@cache
def words(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The identifiers and the strings of a file."""
    identifiers, strings = python(path.read_text(encoding="utf-8"))
    return frozenset(identifiers), frozenset(strings)


def known_to(family: str, name: str) -> list[str]:
    """The files that have a method's name as a string, or its function's as an identifier."""
    function = registries()[family][name]
    assert function is not None
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        identifiers, strings = words(path)
        if function.__name__ in identifiers or name in strings - ORDINARY:
            found.append(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("method", FOUND, ids=lambda method: f"{method.family}-{method.name}")
def test_a_method_is_told_of_in_the_same_form(method: Method) -> None:
    assert 20 < len(method.what) < 160
    assert method.papers or method.name == "nearest", 'cite it: Authors: "Title", where; R001'


@pytest.mark.parametrize(
    "method",
    [method for method in FOUND if method.family != "compiler" and method.name not in EVERYWHERE],
    ids=lambda method: method.name,
)
def test_few_files_know_a_method(method: Method) -> None:
    files = known_to(method.family, method.name)
    assert len(files) <= MOST, files


@needs_package("torch")
@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row["id"])
def test_a_row_has_its_method_and_its_test(row: dict[str, Any]) -> None:
    """What is only a metric, an example or an entry of the bibliography stands there, and needs no method."""
    there = {row["id"]} <= (LISTED if row["priority"] == "X" else TOLD & TESTED)
    is_open = row["id"] in OPEN or row["id"] in HARDWARE
    assert there != is_open, "take it out of OPEN" if there else "it is nowhere, or has no test"


def test_the_catalogue_has_what_is_cited() -> None:
    assert len(ROWS) == 198
    assert not {*TOLD, *LISTED, *OPEN, *HARDWARE, *(row for row in TESTED if row.startswith("R"))} - ROWS.keys()


def page() -> Iterator[str]:
    """The page of methods, as the registries tell of them."""
    yield "# Methods\n"
    yield "What there is to compress with, by family, made from the docstrings: `bitwright methods` lists the same."
    yield "Rows are those of the catalogue of methods that the tests walk (`tests/methods.json`); what it has beside"
    yield "methods is in the [bibliography](bibliography.md). A method of one's own is"
    yield "[one file](adding-a-compression-method.md).\n"
    for family in NAMES:
        yield f"## {family}\n\nNamed by {NAMED[family]}.\n"
        yield "| method | what it gives | paper | rows | needs |\n|---|---|---|---|---|"
        for method in methods(family):
            cells = [f"`{method.name}`", method.what, "; ".join(method.papers), ", ".join(method.rows), method.needs]
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        yield ""
    yield "## Read anew\n\nPapers about what is not here stand for what is:\n\n| row | is |\n|---|---|"
    yield from (f"| {row} | {text} |" for row, text in ANEW.items())
    yield "\n## Not here\n\nWhat asks for hardware that is not there:\n\n| row | there is not |\n|---|---|"
    yield from (f"| {row} | {text} |" for row, text in HARDWARE.items())


@needs_package("torch")
def test_the_page_of_methods_is_that_of_the_registries(request: pytest.FixtureRequest) -> None:
    text = "\n".join(page()) + "\n"
    if request.config.getoption("--update-golden"):
        (DOCS / "methods.md").write_text(text, encoding="utf-8")
    assert text == (DOCS / "methods.md").read_text(encoding="utf-8"), "--update-golden, then review the difference"


MINE = """
def halved(values, codes, rule):
    \"\"\"Half of the scales at which nothing is clipped.

    Nobody: "A method of one's own", 2026. Needs courage.
    \"\"\"
    return rule.cover((values.high / codes.hi / 2).astype("float32"))

RANGES = {"halved": halved}
"""
USE = """
import numpy as np, onnx, bitwright as bw
from bitwright.cli.commands import main
from bitwright.methods import methods
assert main(["quantize", "--help"]) == 0 and main(["methods", "range"]) == 0
(mine,) = [method for method in methods("range") if method.name == "halved"]
assert (mine.what, mine.needs) == ("Half of the scales at which nothing is clipped.", "courage")
open("r.yaml", "w").write("- quantise: {range: halved}")
data = np.load(DATA)["x"][:32]
np.savez("d.npz", x=data)
assert main(["compress", MODEL, "--data", "d.npz", "-o", "q.onnx", "--recipe", "r.yaml"]) == 0
state = bw.quantize(MODEL, data, range="halved")
assert bw.load("q.onnx").inputs == state.graph().inputs
"""


def test_a_method_of_ones_own_is_one_file(tmp_path: Path) -> None:
    """In a copy of the package a file more is found by help, list, recipe and Python, and so by the page of methods."""
    shutil.copytree(ROOT, tmp_path / "bitwright", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bitwright/compress/ranges/mine.py").write_text(f'"""Mine."""\n{MINE}')
    digits = TESTS.parent / "examples/digits"
    held = f"MODEL = {str(digits / 'digits_float.onnx')!r}\nDATA = {str(digits / 'digits_data.npz')!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", held + USE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("halved") >= 2


IN_ONE_FILE = {"compiler", "correct", "distil", "measure", "menu", "norm", "work", "zero", "zoo"}
"""Families that are a dictionary in a file of their own, which is what another method adds to."""
EACH = """
from bitwright.methods import methods
print(*{method.family for method in methods() if method.name == "mine"})
"""


@needs_package("torch")
def test_every_family_is_found_in_files(tmp_path: Path) -> None:
    """A file more in the package of each: whatever is a method by its name alone is one to the list and its readers."""
    shutil.copytree(ROOT, tmp_path / "bitwright", ignore=shutil.ignore_patterns("__pycache__"))
    registries()
    places = {(one._package, one._entries) for one in gc.get_objects() if type(one) is Family}
    for package, entries in places:
        names = [module.name for module in iter_modules(import_module(package).__path__)]
        first = next(
            name for name in names if isinstance(getattr(import_module(f"{package}.{name}"), entries, 0), dict)
        )
        text = (
            f"from {package}.{first} import {entries} as theirs\n{entries} = {{'mine': next(iter(theirs.values()))}}\n"
        )
        (tmp_path / package.replace(".", "/") / f"mine_{entries.lower()}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", EACH], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(NAMES) - set(done.stdout.split()) == IN_ONE_FILE


def test_a_docstring_is_read() -> None:
    text = """What it gives, by
    the way. ACIQ (Banner, Soudry et al.: "Post training", NeurIPS 2019, arXiv 1810.05723; R002, R003). And more of it;
    Chen, Shlens: "Net2Net",
    ICLR 2016. Needs PyTorch. The end."""
    assert read("range", "it", text) == Method(
        family="range",
        name="it",
        what="What it gives, by the way.",
        papers=(
            'Banner, Soudry et al.: "Post training", NeurIPS 2019, arXiv 1810.05723',
            'Chen, Shlens: "Net2Net", ICLR 2016',
        ),
        rows=("R002", "R003"),
        needs="PyTorch",
    )
    assert read("range", "it", "A sentence.") == Method(
        family="range", name="it", what="A sentence.", papers=(), rows=(), needs=""
    )


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["methods"]
    assert [(row["family"], row["name"]) for row in rows] == [(one.family, one.name) for one in FOUND]
    aciq = next(row for row in rows if row["name"] == "aciq")
    assert aciq["rows"] == ["R002"] and aciq["papers"][0].startswith("Banner, Nahshan, Soudry: ")
    assert main(["methods", "rounding"]) == 0
    told = capsys.readouterr().out
    assert "gptq" in told and "aciq" not in told


def test_an_unknown_family_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "ranges"]) == 2
    wanted = f"methods: there is no family 'ranges'\n  hint: the families are {', '.join(NAMES)}\n"
    assert capsys.readouterr().err == f"error: {wanted}"
    with pytest.raises(BitwrightError):
        methods("")
