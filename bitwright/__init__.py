# SPDX-License-Identifier: Apache-2.0
"""Compressed neural networks to FPGA accelerators, exact to the last bit."""
