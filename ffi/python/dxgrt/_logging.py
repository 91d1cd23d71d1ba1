"""The library's log as records of Python's ``logging``."""

from __future__ import annotations

import logging

from . import _library as c

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: logging.DEBUG}
_OFF = c.LOG_CALLBACK()
_current = _OFF


def log_to(logger: logging.Logger | None, level: int = logging.WARNING) -> None:
    """Sends the library's log, from ``level`` on, to a logger; ``None`` ends that. One for the whole process."""
    global _current
    if logger is None:
        c.lib.set_log_callback(0, _OFF, None)
        _current = _OFF
        return

    def line(_user: int, line_level: int, target: bytes, message: bytes) -> None:
        text = f"{target.decode(errors='replace')}: {message.decode(errors='replace')}"
        logger.log(_LEVELS.get(line_level, logging.DEBUG), "%s", text)

    callback = c.LOG_CALLBACK(line)
    finest = max(number for number, mapped in _LEVELS.items() if mapped >= level or number == 1)
    c.lib.set_log_callback(finest, callback, None)
    _current = callback
