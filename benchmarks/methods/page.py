# SPDX-License-Identifier: Apache-2.0
"""What was measured as a page of the docs: a table a case, and which method beats a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

from benchmarks.methods.judge import Case, Measured, better, case_of, figure, refused, worse
from benchmarks.methods.material import SEEDS
from benchmarks.methods.store import Cell, Found
from benchmarks.methods.tables import defaults
from benchmarks.methods.words import HEAD, SECTIONS, Section

PAGE = Path(__file__).parents[2] / "docs" / "comparing-methods.md"
SHORT = {"digits_cnn": "digits", "mnist5k_ds": "MNIST"}


def page(found: Mapping[Cell, Found]) -> str:
    """The page, in Markdown."""
    measured = {table: cases_of(found, table) for table in SECTIONS}
    lines = [*wrapped(HEAD), "", "## What beats a default", "", *verdict(measured)]
    for table, section in SECTIONS.items():
        lines += ["", f"## {section.title}", "", *wrapped(section.said)]
        for case, held in measured[table].items():
            lines += ["", f"### {case}", "", *rows(held, defaults(table)[case], section)]
            lines += [
                line
                for name, why in refused(found, table, case).items()
                for line in ("", *wrapped(f"`{name}`: {why}."))
            ]
    return "\n".join([*lines, ""])


def wrapped(text: str) -> Iterator[str]:
    """Paragraphs in lines of the usual length."""
    for place, paragraph in enumerate(text.strip().split("\n\n")):
        yield from [""] * bool(place)
        yield from fill(" ".join(paragraph.split()), 118, break_long_words=False, break_on_hyphens=False).splitlines()


def cases_of(found: Mapping[Cell, Found], table: str) -> dict[str, Case]:
    """The cases of a table that have their default, all seeds measured."""
    made = {case: case_of(found, table, case, len(SEEDS)) for case in defaults(table)}
    return {case: held for case, held in made.items() if len(held.get(defaults(table)[case], {})) == len(SHORT)}


def rows(case: Case, default: str, section: Section) -> Iterator[str]:
    """The table of a case."""
    heads = [head for name in SHORT.values() for head in (f"{name}, %", *_heads(section))]
    yield f"| method | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    for method in sorted(case, key=lambda method: (method != default, -_gain(case, method, default, section), method)):
        shown = (_row(case[method].get(name), case[default][name], section, method == default) for name in SHORT)
        yield f"| {method} | {' | '.join(text for each in shown for text in each)} |"


def _heads(section: Section) -> tuple[str, ...]:
    beside = ("less default", "LUT", "clocks")
    if section.judged != "right":
        return (*beside, section.judged, "less default")
    return ("cut", *beside) if section.cut else beside


def _row(held: Measured | None, default: Measured, section: Section, same: bool) -> Sequence[str]:
    if held is None:
        return [""] * (1 + len(_heads(section)))
    cut = [f"{100 * held.of('cut').mean():.2f}"] if section.cut else []
    costs = [f"{held.of(name).mean():,.0f}" for name in ("lut", "cycles")]
    found = [str(held.accuracy), *cut, "" if same else f"{_signed(held.beyond(default))}", *costs]
    if section.judged != "right":
        found += [str(figure(held.of(section.judged))), "" if same else _signed(held.beyond(default, section.judged))]
    return found


def _signed(difference: tuple[float, float]) -> str:
    return f"{difference[0]:+.2f} ± {difference[1]:.2f}"


def _gain(case: Case, method: str, default: str, section: Section) -> float:
    networks = [name for name in SHORT if name in case[method]]
    return sum(case[method][name].beyond(case[default][name], section.judged).mean for name in networks)


def verdict(measured: Mapping[str, Mapping[str, Case]]) -> Iterator[str]:
    """The methods that beat a default somewhere, and where they are behind it."""
    lines = []
    for table, cases in measured.items():
        judged, first = SECTIONS[table].judged, defaults(table)
        for case, held in cases.items():
            for method in sorted(held):
                beyond = better(held, method, first[case], judged)
                if beyond is not None:
                    behind = [
                        f"{SHORT[network]} at {other}"
                        for other, of in cases.items()
                        if first[other] == first[case]
                        for network in worse(of, method, first[other], judged)
                    ]
                    gains = " | ".join(_signed(beyond[network]) for network in SHORT)
                    lines.append(f"| {SECTIONS[table].title} | {case} | {method} | {gains} | {', '.join(behind)} |")
    if not lines:
        yield "None of those below does."
        return
    yield f"| table | case | method | {' | '.join(SHORT.values())} | behind the default |"
    yield "|---|---|---|---|---|---|"
    yield from lines
