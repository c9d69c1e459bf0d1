# SPDX-License-Identifier: Apache-2.0
"""The version, for reports and generated files."""

__version__ = "0.1.0"
