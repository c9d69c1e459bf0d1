# SPDX-License-Identifier: Apache-2.0
"""Every method of compression beside the others of its family, on the same networks, images and hardware."""
