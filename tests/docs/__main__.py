"""`make docs`: write the derived parts of the documents."""

from __future__ import annotations

import sys

from tests.architecture.sources import named
from tests.docs import documents, written


def main() -> int:
    try:
        updated = {document: written(document) for document in documents()}
    except ValueError as missing:
        print(missing, file=sys.stderr)  # noqa: T201
        return 1
    for document, text in updated.items():
        if text != document.read_text("utf-8"):
            document.write_text(text, "utf-8")
            print(f"wrote {named(document)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
