# SPDX-License-Identifier: Apache-2.0
"""The methods of compression: listed as their docstrings tell of them, each known to its own file and its registry."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import bitwright
from bitwright.cli.commands import main
from bitwright.compress.methods import NAMES, TRAINED, Method, methods, read, registries
from bitwright.compress.options import Options
from bitwright.ir.errors import BitwrightError
from tests.test_touch import python

ROOT = Path(bitwright.__file__).parent
DOCS = Path(__file__).parents[1] / "docs"
FOUND = methods()
PLAIN = ("lsq", "max", "nearest", "norm", "permanent")
"""What everyone does, and other methods start from."""
ORDINARY = frozenset(("cubic", "kl", "magnitude", "ternary", "xnor"))
"""Words by which other things go too: there only the function counts."""
MOST = 2
"""Shipped files that know a method: its own, and the registry."""


def known_to(family: str, name: str) -> list[str]:
    """The files that have a method's name as a string, or its function's as an identifier."""
    function = registries()[family][name]
    assert function is not None
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        identifiers, strings = python(path.read_text(encoding="utf-8"))
        if function.__name__ in identifiers or name in strings - ORDINARY:
            found.append(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("method", FOUND, ids=lambda method: f"{method.family}-{method.name}")
def test_a_method_is_told_of_in_the_same_form(method: Method) -> None:
    assert 20 < len(method.what) < 160
    assert method.papers or method.name == "nearest", 'cite it: Authors: "Title", where; R001'
    page = (DOCS / ("training.md" if method.family in TRAINED else "quantize-and-explore.md")).read_text("utf-8")
    assert f"`{method.name}`" in page or f'="{method.name}"' in page or f"`{method.name}:" in page


@pytest.mark.parametrize(
    "method",
    [method for method in FOUND if method.name not in (*PLAIN, *asdict(Options()).values())],
    ids=lambda method: method.name,
)
def test_few_files_know_a_method(method: Method) -> None:
    files = known_to(method.family, method.name)
    assert len(files) <= MOST, files


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
    assert aciq["rows"] == ["R002"] and aciq["papers"][0].startswith("Banner, Nahshan, Hoffer, Soudry: ")
    assert main(["methods", "rounding"]) == 0
    told = capsys.readouterr().out
    assert "gptq" in told and "aciq" not in told


def test_an_unknown_family_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "ranges"]) == 2
    wanted = f"methods: there is no family 'ranges'\n  hint: the families are {', '.join(NAMES)}\n"
    assert capsys.readouterr().err == f"error: {wanted}"
    with pytest.raises(BitwrightError):
        methods("")
