"""JSON logs, one object a line, on standard error. Bodies, addresses with passwords and names are never logged."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer


class _Relay(logging.Handler):
    """Tells what another library's logger says in our own form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.name, said=record.getMessage())


def relay(name: str) -> None:
    """Let a logger that speaks through Python's own logging be heard as well."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [_Relay()]


_PROCESSORS: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # Without the variables of each frame, which structlog adds unless told: a password would be among them.
    structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(default=str),
)


def write_line(file: Path | None, level: str, event: str, **facts: object) -> None:
    """One line into a file, or without one into the log of this process."""
    if file is None:
        structlog.get_logger().log(logging.getLevelNamesMapping()[level.upper()], event, **facts)
        return
    with file.open("a") as stream:
        logger = structlog.wrap_logger(structlog.PrintLogger(stream), processors=_PROCESSORS)
        getattr(logger, level)(event, **facts)


def configure(level: str) -> None:
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The drivers' own loggers repeat, in other words, what the loops already say; the reader of forms what is answered.
    for noisy in ("aio_pika", "aiormq", "faststream", "pymongo", "python_multipart", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
