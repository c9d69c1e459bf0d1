# SPDX-License-Identifier: Apache-2.0
"""`python -m bitwright`: the command line, where the folder of its program is on no PATH."""

import sys

from bitwright.cli import main

if __name__ == "__main__":
    sys.exit(main())
