# SPDX-License-Identifier: Apache-2.0
"""The one error that a user sees: where, what, and a way out."""


class BitwrightError(Exception):
    """A model, a file or a request that bitwright cannot honour; always says where and what to do.

    `where` names the place (a file, `node 'conv2'`, `--input x`), `what` states the fact, `hint` the way out.
    """

    def __init__(self, what: str, *, where: str, hint: str) -> None:
        super().__init__(f"{where}: {what}\n  hint: {hint}")
        self.what, self.where, self.hint = what, where, hint
