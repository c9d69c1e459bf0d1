# SPDX-License-Identifier: Apache-2.0
"""The one error that a user sees: where, what, and a way out."""


class BitwrightError(Exception):
    """A model, a file or a request that bitwright cannot honour; always says where and what to do.

    `where` names the place (a file, `node 'conv2'`, `--input x`), `what` states the fact, `hint` the way out. Names
    come from files: what a terminal would obey is shown as an escape. Further lines are indented by four spaces.
    `log` is what is too long for a message, as all that a program printed.
    """

    def __init__(self, what: str, *, where: str, hint: str, log: str = "") -> None:
        what, where, hint = map(_shown, (what, where, hint))
        super().__init__(f"{where}: {what}\n  hint: {hint}")
        self.what, self.where, self.hint = what, where, hint
        self.log = "\n".join(map(printable, log.splitlines()))


LONGEST = 2000


def _shown(text: str) -> str:
    """`text` without control characters but the line feeds of indented lines; its middle goes where it is too long."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 3 // 4]} ... {text[-LONGEST // 4 :]}"
    return "\n    ".join(map(printable, text.split("\n    ")))


def printable(line: str) -> str:
    """`line` with what a terminal would obey shown as an escape."""
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
