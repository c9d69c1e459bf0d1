# SPDX-License-Identifier: Apache-2.0
"""Pruning: weights that are zero, and channels that are gone."""

from bitwright.compress.prune.criteria import CRITERIA
from bitwright.compress.prune.patterns import Pattern, Zeroing
from bitwright.compress.prune.pruned import pruned, zeros
from bitwright.compress.prune.rule import RULES
from bitwright.compress.prune.schedule import SCHEDULES, Schedule
from bitwright.compress.prune.schedules import cubic

__all__ = ["CRITERIA", "RULES", "SCHEDULES", "Pattern", "Schedule", "Zeroing", "cubic", "pruned", "zeros"]
