# SPDX-License-Identifier: Apache-2.0
"""Where the designs of a sweep are evaluated: one way in each file, by name in `EXECUTORS`."""

from bitwright.explore.executors.executor import Executor, Limits
from bitwright.explore.executors.processes import processes
from bitwright.explore.executors.serial import serial

EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes}
"""The executors by name."""

__all__ = ["EXECUTORS", "Executor", "Limits"]
