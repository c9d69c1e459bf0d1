# SPDX-License-Identifier: Apache-2.0
"""Pages of several sections, each written by a script of its own."""

from __future__ import annotations

import re
from pathlib import Path


def put(page: Path, title: str, text: str) -> None:
    """Write `text` under the heading `title` of `page`, in place of what stands there, or at the end."""
    head, *sections = re.split(r"(?m)^(?=## )", page.read_text(encoding="utf-8"))
    made = f"## {title}\n\n{text.rstrip()}\n\n"
    kept = [section.rstrip() + "\n\n" for section in sections]
    places = [i for i, section in enumerate(kept) if section.startswith(f"## {title}\n")]
    for i in places:
        kept[i] = made
    pages = head.rstrip() + "\n\n" + "".join(kept if places else [*kept, made])
    page.write_text(pages.rstrip() + "\n", encoding="utf-8")
