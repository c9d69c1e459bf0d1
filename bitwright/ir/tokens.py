# SPDX-License-Identifier: Apache-2.0
"""One line of the text form as nested values: words, numbers, strings, lists in parentheses, digests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Never

from bitwright.ir.errors import BitwrightError

WORD = r"[A-Za-z_/][A-Za-z0-9_./\[\]-]*"
TOKEN = re.compile(
    rf"""\s*(?: (?P<word>{WORD}) | (?P<number>-?\d+(?:/\d+)?) | (?P<string>"(?:[^"\\]|\\.)*")
    | <[^<>\#]*\#(?P<digest>[0-9a-f]+)> | (?P<mark>[(),=:]) )""",
    re.VERBOSE,
)
DEEPEST = 8
END = ("end", "the end")


class Line:
    """The tokens of one line, taken from the front; errors name `where`."""

    def __init__(self, text: str, constants: Mapping[str, object], where: str) -> None:
        self.where = where
        self._constants = constants
        self._tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                self.refuse("a value", text[at:].strip()[:20])
            assert match.lastgroup is not None
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._tokens.reverse()

    @property
    def ended(self) -> bool:
        """True when every token was taken."""
        return not self._tokens

    def starts(self, mark: str) -> bool:
        """Whether `mark` comes next; it is taken if so."""
        if self._next() != ("mark", mark):
            return False
        self._tokens.pop()
        return True

    def expect(self, mark: str) -> None:
        """Take `mark`, or refuse."""
        if not self.starts(mark):
            self.refuse(repr(mark), self._next()[1])

    def word(self) -> str:
        """The next word or string."""
        kind, text = self._next()
        if kind not in ("word", "string"):
            self.refuse("a name", text)
        value = self.value()
        assert isinstance(value, str)
        return value

    def value(self, depth: int = 0) -> object:
        """The next value: a tuple, a string, an integer, a fraction's text, or what a digest stands for."""
        kind, text = self._next()
        if self.starts("("):
            return self._items(depth)
        if kind in ("mark", "end"):
            self.refuse("a value", text)
        self._tokens.pop()
        match kind:
            case "number":
                return text if "/" in text else int(text)
            case "string":
                return self._string(text)
            case "digest":
                return self._constant(text)
            case _:
                return text

    def refuse(self, expected: str, found: str) -> Never:
        """Raise the error of a line that does not read as expected."""
        raise BitwrightError(
            f"expected {expected}, found {found}", where=self.where, hint="print a graph to see how it is written"
        )

    def _next(self) -> tuple[str, str]:
        return self._tokens[-1] if self._tokens else END

    def _items(self, depth: int) -> tuple[object, ...]:
        if depth == DEEPEST:
            self.refuse(f"at most {DEEPEST} nested lists", "(")
        items: list[object] = []
        while not self.starts(")"):
            if items:
                self.expect(",")
            items.append(self.value(depth + 1))
        return tuple(items)

    def _string(self, text: str) -> str:
        try:
            return str(json.loads(text))
        except ValueError:
            return self.refuse("a JSON string", text)

    def _constant(self, digest: str) -> object:
        if digest not in self._constants:
            self.refuse("the digest of a given constant", f"#{digest}")
        return self._constants[digest]
