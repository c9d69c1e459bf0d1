# SPDX-License-Identifier: Apache-2.0
"""`--debug`, which every command takes."""

from __future__ import annotations

from typing import Any

import typer


def added(app: typer.Typer, traced: list[bool]) -> Any:
    """The commands of `app`, each with `--debug`; whether it was given is appended to `traced`."""
    said = "Show the traceback of an error."
    option = typer.Option(False, "--debug", help=said, expose_value=False, callback=lambda given: traced.append(given))
    alone = typer.Typer(add_completion=False)

    @alone.command()
    def _(debug: bool = option) -> None: ...

    group = typer.main.get_group(app)
    for command in (group, *group.commands.values()):
        command.params += typer.main.get_command(alone).params
    return group
