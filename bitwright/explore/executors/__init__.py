# SPDX-License-Identifier: Apache-2.0
"""Where the designs of a sweep are evaluated: one way in each file, by name in `EXECUTORS`."""

from functools import partial

from bitwright.explore.executors.cluster import dask
from bitwright.explore.executors.executor import Executor, Limits
from bitwright.explore.executors.processes import processes
from bitwright.explore.executors.serial import serial
from bitwright.ir.errors import BitwrightError

EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes, "dask": dask}
"""The executors by name."""


def executor_named(name: str) -> Executor:
    """An executor by its name, or by the address of a scheduler of dask; BitwrightError if it is neither."""
    if "://" in name:
        return partial(dask, address=name)
    if name not in EXECUTORS:
        hint = f"choose {', '.join(EXECUTORS)} or the address of a scheduler of dask, as tcp://HOST:8786"
        raise BitwrightError(f"no executor '{name}'", where="executor", hint=hint)
    return EXECUTORS[name]


__all__ = ["EXECUTORS", "Executor", "Limits", "executor_named"]
