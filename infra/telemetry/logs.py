"""JSON logs, one object per line, on standard error. Bodies, addresses with passwords and names are never logged."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer


class _Relay(logging.Handler):
    """Writes the lines of another library's logger in our own form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.name, message=record.getMessage())


def relay(name: str) -> None:
    """Include a logger of Python's own logging."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_Relay()]


_PROCESSORS: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Without the variables of each frame, which structlog adds by default: a password could be among them.
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(default=str),
    # JSON escapes every other character that steers a terminal or turns text around.
    lambda _logger, _method, line: line.replace("\x7f", "\\u007f"),
)


def write_line(file: Path | None, level: str, event: str, **fields: object) -> None:
    """Write one line to a file, or without a file to the log of this process."""
    if file is None:
        structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, **fields)
        return
    with file.open("a") as stream:
        logger = structlog.wrap_logger(structlog.PrintLogger(stream), processors=_PROCESSORS)
        getattr(logger, level)(event, **fields)


def configure(level: str) -> None:
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The drivers' loggers repeat what the loops already log; the form parser's logger repeats what the answer states.
    for noisy in ("aio_pika", "aiormq", "faststream", "pymongo", "python_multipart", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
