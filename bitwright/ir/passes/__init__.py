# SPDX-License-Identifier: Apache-2.0
"""Passes over the IR, and the pipeline that verifies after each."""

from bitwright.ir.passes.channels import remove_channels
from bitwright.ir.passes.cleanup import drop_dead, merge_clips, merge_reshapes
from bitwright.ir.passes.gathers import merge_gathers
from bitwright.ir.passes.pipeline import Pass, pipeline
from bitwright.ir.passes.subpixel import subpixel

__all__ = [
    "Pass",
    "drop_dead",
    "merge_clips",
    "merge_gathers",
    "merge_reshapes",
    "pipeline",
    "remove_channels",
    "subpixel",
]
