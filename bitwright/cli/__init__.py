# SPDX-License-Identifier: Apache-2.0
"""The command line; `main` is what the installed program calls."""

from bitwright.cli.commands import main

__all__ = ["main"]
