"""`make docs`: write the parts of the documents that are derived from the code."""

from __future__ import annotations

import sys

from tests.architecture.sources import named
from tests.docs import documents, written


def main() -> int:
    try:
        for document in documents():
            if (text := written(document)) != document.read_text("utf-8"):
                document.write_text(text, "utf-8")
                print(f"wrote {named(document)}")  # noqa: T201
    except ValueError as missing:
        print(missing, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
