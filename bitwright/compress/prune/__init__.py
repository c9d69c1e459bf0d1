# SPDX-License-Identifier: Apache-2.0
"""Pruning: weights that are zero, and channels that are gone."""

from bitwright.compress.prune.criteria import CRITERIA
from bitwright.compress.prune.pruned import pruned, zeros
from bitwright.compress.prune.schedules import SCHEDULES, Schedule, cubic

__all__ = ["CRITERIA", "SCHEDULES", "Schedule", "cubic", "pruned", "zeros"]
