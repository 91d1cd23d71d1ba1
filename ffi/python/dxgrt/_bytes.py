"""Memory of Python objects as addresses: anything with the buffer protocol, also read-only."""

from __future__ import annotations

import ctypes
from typing import Any

from .errors import InvalidError

_CONTIGUOUS, _WRITABLE = 0x18 | 0x20, 0x1  # PyBUF_STRIDES | PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE


class _PyBuffer(ctypes.Structure):
    """``Py_buffer`` of CPython's stable interface."""

    _fields_ = [
        ("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p),
    ]  # fmt: skip


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes, _get.restype = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int), ctypes.c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes, _release.restype = (ctypes.POINTER(_PyBuffer),), None


class Exported:
    """The bytes of an object, held in place for as long as this lives: ``address`` and ``size``."""

    __slots__ = ("_view", "address", "size")

    def __init__(self, source: Any, writable: bool = False) -> None:
        view = _PyBuffer()
        try:
            _get(source, ctypes.byref(view), _CONTIGUOUS | (_WRITABLE if writable else 0))
        except (TypeError, BufferError, ValueError) as error:
            wanted = "writable, contiguous memory" if writable else "contiguous memory"
            raise InvalidError(f"{type(source).__name__} does not offer {wanted}: {error}") from error
        self._view = view
        self.address, self.size = view.buf or 0, view.len

    def __del__(self) -> None:
        view = getattr(self, "_view", None)
        if view is not None:
            _release(ctypes.byref(view))
