"""`make docs`: write the parts of the documents that are derived from the code."""

from __future__ import annotations

import sys

from tests.architecture.sources import named
from tests.docs import documents, written


def main() -> int:
    try:
        due = {document: written(document) for document in documents()}
    except ValueError as missing:
        print(missing, file=sys.stderr)  # noqa: T201
        return 1
    for document, text in due.items():
        if text != document.read_text("utf-8"):
            document.write_text(text, "utf-8")
            print(f"wrote {named(document)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
