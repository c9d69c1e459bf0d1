# SPDX-License-Identifier: Apache-2.0
"""Small float networks drawn around each kind of trouble that users of quantisation tools report, and their judge."""
