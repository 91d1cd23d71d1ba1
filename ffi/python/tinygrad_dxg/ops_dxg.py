"""What tinygrad imports as ``tinygrad.runtime.ops_dxg``."""

from tinygrad_dxg.device import DXGDevice

__all__ = ["DXGDevice"]
