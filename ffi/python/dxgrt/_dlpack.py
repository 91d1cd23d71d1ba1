"""DLPack: bytes of ours as a one-dimensional tensor of ``uint8``, and the memory of others' CUDA tensors.

The exported structure and the object that owns the bytes are kept in ``_alive`` until the consumer calls the deleter, or until
a capsule that nobody consumed goes away. Layouts are those of dlpack.h, versions 0 and 1.0.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

CPU = (1, 0)
CUDA = 2
_UINT = 1
_PLAIN, _VERSIONED = b"dltensor", b"dltensor_versioned"


class _Tensor(Structure):
    _fields_ = [
        ("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32), ("code", c_uint8),
        ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]  # fmt: skip


class _Managed(Structure):
    _fields_ = [("tensor", _Tensor), ("manager", c_void_p), ("deleter", c_void_p)]


class _ManagedVersioned(Structure):
    _fields_ = [
        ("major", c_uint32), ("minor", c_uint32), ("manager", c_void_p), ("deleter", c_void_p), ("flags", c_uint64),
        ("tensor", _Tensor),
    ]  # fmt: skip


_api = ctypes.pythonapi
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, c_void_p)
_new, _is, _pointer = _api.PyCapsule_New, _api.PyCapsule_IsValid, _api.PyCapsule_GetPointer
_new.restype, _new.argtypes = ctypes.py_object, (c_void_p, c_char_p, _DESTRUCTOR)
# The destructor gets a capsule that is on its way out, as a bare pointer: no reference may be taken of it.
_is.restype, _is.argtypes = ctypes.c_int, (c_void_p, c_char_p)
_pointer.restype, _pointer.argtypes = c_void_p, (c_void_p, c_char_p)

_alive: dict[int, tuple[Any, ...]] = {}


def _delete(managed: int) -> None:
    _alive.pop(managed, None)


_DELETER = ctypes.CFUNCTYPE(None, c_void_p)(_delete)


def _forget(capsule: int) -> None:
    # A consumer renames the capsule that it takes, and calls the deleter itself.
    for name in (_PLAIN, _VERSIONED):
        if _is(capsule, name):
            _alive.pop(_pointer(capsule, name), None)


_FORGET = _DESTRUCTOR(_forget)


def capsule(
    owner: Any, address: int | None, size: int, versioned: bool, device: tuple[int, int] = CPU
) -> Any:
    """A capsule with ``size`` bytes at ``address``, which ``owner`` keeps alive."""
    shape, strides = (c_int64 * 1)(size), (c_int64 * 1)(1)
    tensor = _Tensor(data=address, device_type=device[0], device_id=device[1], ndim=1, code=_UINT, bits=8, lanes=1,
                     shape=shape, strides=strides)  # fmt: skip
    deleter = ctypes.cast(_DELETER, c_void_p)
    managed = (
        _ManagedVersioned(major=1, minor=0, deleter=deleter, tensor=tensor)
        if versioned
        else _Managed(deleter=deleter, tensor=tensor)
    )
    at = ctypes.addressof(managed)
    _alive[at] = (managed, shape, strides, owner)
    return _new(at, _VERSIONED if versioned else _PLAIN, _FORGET)


def extent(capsule: Any) -> tuple[int, int, int]:
    """Address, bytes and number of the GPU of a CUDA tensor in a capsule, which stays its owner. Its elements must be dense."""
    raw = ctypes.py_object(capsule)
    valid, pointer = _api["PyCapsule_IsValid"], _api["PyCapsule_GetPointer"]
    valid.restype, valid.argtypes = ctypes.c_int, (ctypes.py_object, c_char_p)
    pointer.restype, pointer.argtypes = c_void_p, (ctypes.py_object, c_char_p)
    if valid(raw, _VERSIONED):
        tensor = _ManagedVersioned.from_address(pointer(raw, _VERSIONED)).tensor
    elif valid(raw, _PLAIN):
        tensor = _Managed.from_address(pointer(raw, _PLAIN)).tensor
    else:
        raise TypeError("__dlpack__ gave no capsule of a tensor that is still there")
    if tensor.device_type != CUDA:
        raise TypeError(f"the tensor is on DLPack device type {tensor.device_type}, and memory of CUDA (2) is wanted")
    dense, items = True, 1
    for axis in reversed(range(tensor.ndim)):
        size = tensor.shape[axis]
        dense = dense and (not tensor.strides or size <= 1 or tensor.strides[axis] == items)
        items *= size
    if not dense:
        raise TypeError("the tensor has gaps or another order than C's; pass a contiguous one")
    address = (tensor.data or 0) + tensor.byte_offset
    return address, items * tensor.bits * tensor.lanes // 8, tensor.device_id
