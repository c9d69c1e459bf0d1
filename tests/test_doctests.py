# SPDX-License-Identifier: Apache-2.0
"""The examples in docstrings run as written."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ("bitwright.frontend.build",)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_written(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed
