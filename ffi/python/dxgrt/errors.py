"""One exception class for each status with which a call can fail.

``status`` is the number that the C library answered; the text is the library's own sentence: what was wrong, and what would be
right. Where Python has a class for the same idea, ours is one of its kind, so that ``except MemoryError`` works.
"""

from __future__ import annotations


class Error(Exception):
    """Any failure of the library."""

    status: int = 0

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class InvalidError(Error, ValueError):
    """An argument, or the moment of the call, can never be right. Nothing has happened."""

    status = -1


class NoMemoryError(Error, MemoryError):
    """Memory of the device or of the host is used up. Nothing has happened."""

    status = -2


class BadImageError(Error):
    """A module image cannot be loaded."""

    status = -3


class NotFoundError(Error, LookupError):
    """There is no such device, kernel or allocation."""

    status = -4


class LaunchFailedError(Error):
    """A launch failed; the stream takes nothing more until :meth:`dxgrt.Stream.reset`."""

    status = -5


class DependencyFailedError(Error):
    """Not run, because something before it failed."""

    status = -6


class DeviceLostError(Error):
    """The device is lost with everything in flight: close the context and open another."""

    status = -7


class UnsupportedError(Error, NotImplementedError):
    """The device cannot do this."""

    status = -8


class ShutdownError(Error):
    """The context is closed."""

    status = -9


class ForkedError(Error):
    """This process was forked from one that used the library, which does not survive that."""

    status = -10


class PanicError(Error):
    """A defect of the library was caught; please report it. The context should be closed."""

    status = -11


class FullError(Error, BlockingIOError):
    """There is no room for more unfinished work now, and the context was opened with ``backpressure="error"``."""

    status = -12


class DriverError(Error, OSError):
    """A call of the driver or of the operating system failed."""

    status = -13


class NotReadyError(Error):
    """The answer is not known yet: ask again later."""

    status = 1


class WaitTimeoutError(Error, TimeoutError):
    """The time allowed for waiting is over; the work goes on."""

    status = 2


CLASSES: dict[int, type[Error]] = {
    kind.status: kind
    for kind in (
        InvalidError,
        NoMemoryError,
        BadImageError,
        NotFoundError,
        LaunchFailedError,
        DependencyFailedError,
        DeviceLostError,
        UnsupportedError,
        ShutdownError,
        ForkedError,
        PanicError,
        FullError,
        DriverError,
        NotReadyError,
        WaitTimeoutError,
    )
}


def for_status(status: int, message: str) -> Error:
    """The exception for a status; unknown negative numbers are failures all the same."""
    return CLASSES.get(status, Error)(message, status)
