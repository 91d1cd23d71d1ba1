"""tinygrad on dxgrt: with this package installed, ``DEV=DXG python any_script.py`` runs an unmodified script on it.

tinygrad imports the module ``tinygrad.runtime.ops_dxg`` for a device of that name. This package offers that module from outside:
``tinygrad_dxg.pth``, which Python reads at every start, imports it, in the processes that tinygrad compiles in too. Nothing else
is imported until then, so that starting Python stays as fast as it was.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

#: The release of tinygrad that this device is written for and tested with: its device interface changes between releases.
TINYGRAD = "0.14.0"


class _Finder:
    """Answers for the one module that tinygrad looks for."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "tinygrad.runtime.ops_dxg":
            return None
        return importlib.util.spec_from_file_location(name, Path(__file__).with_name("ops_dxg.py"))


if _Finder not in sys.meta_path:
    sys.meta_path.append(_Finder)  # type: ignore[arg-type]
