# SPDX-License-Identifier: Apache-2.0
"""Pruning: weights that are zero, and channels that are gone."""
