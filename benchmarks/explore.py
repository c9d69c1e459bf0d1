# SPDX-License-Identifier: Apache-2.0
"""What exploring must hold, measured: prices by the table, the rate of evaluating, how soon a search is
done, what mixed widths are worth, whether it all is linear.

python -m benchmarks.explore linear|mixed|price|rate|search [options; --help has them]
"""

from __future__ import annotations

import sys
from importlib import import_module

PARTS = ("linear", "mixed", "price", "rate", "search")


def main() -> None:
    """The part that is named, with what follows."""
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    import_module(f"benchmarks.exploring_{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
