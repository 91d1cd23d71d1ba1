"""The bindings are what the header says: every function, every structure with its offsets, every number."""

import ctypes
import re
import subprocess
from pathlib import Path

import dxgrt
from dxgrt import _library as c
from dxgrt import errors

HEADER = Path(__file__).parents[2] / "include/dxgrt.h"
STRUCTURES = {
    "dxgrt_device_info": c.DeviceInfo, "dxgrt_open_options": c.OpenOptions, "dxgrt_stats": c.Stats, "dxgrt_fence": c.Fence,
    "dxgrt_access": c.Access, "dxgrt_launch_params": c.LaunchParams, "dxgrt_cmd": c.Cmd, "dxgrt_patch": c.Patch,
    "dxgrt_mem_stats": c.MemoryStats, "dxgrt_stream_options": c.StreamOptions, "dxgrt_cmd_launch": c.CmdLaunch,
    "dxgrt_cmd_h2d": c.CmdH2D, "dxgrt_cmd_d2h": c.CmdD2H, "dxgrt_cmd_d2d": c.CmdD2D, "dxgrt_cmd_fill": c.CmdFill,
}  # fmt: skip


def test_every_structure_has_the_layout_of_the_header(tmp_path):
    lines, expected = [], []
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected.append(f"{name} {ctypes.sizeof(structure)}")
        for field, *_ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
            expected.append(f"{name}.{field} {getattr(structure, field).offset}")
    source = f'#include "{HEADER}"\n#include <stdio.h>\nint main(void) {{ {" ".join(lines)} return 0; }}'
    program = tmp_path / "layout"
    subprocess.run(["cc", "-x", "c", "-", "-o", str(program)], input=source, text=True, check=True)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines() == expected


def test_every_structure_and_field_of_the_header_is_bound():
    text = HEADER.read_text()
    bodies = dict(re.findall(r"typedef struct (dxgrt_\w+) \{(.*?)\n\}", text, re.DOTALL))
    bodies.pop("dxgrt_wg")
    assert bodies.keys() == STRUCTURES.keys()
    for name, body in bodies.items():
        fields = re.findall(r"(\w+)(?:\[\d+\])?;", re.sub(r"//.*", "", body))
        assert fields == [field for field, *_ in STRUCTURES[name]._fields_], name


def test_every_function_of_the_header_is_bound_with_its_number_of_arguments():
    text = re.sub(r"//.*", "", HEADER.read_text())
    declared = dict(re.findall(r"^(?:[\w ]+?[ *]+)dxgrt_(\w+)\(([^)]*)\);", text, re.MULTILINE | re.DOTALL))
    bound = {name: len(arguments) for name, arguments in c._PROTOTYPES.items()}
    bound |= {name: len(arguments) - 1 for name, arguments in c._VALUES.items()}
    counted = {name: 0 if arguments.strip() == "void" else arguments.count(",") + 1 for name, arguments in declared.items()}
    assert counted == bound


def test_every_status_has_a_class():
    numbers = re.findall(r"DXGRT_(\w+) = (-?\d+),", HEADER.read_text())
    assert len(numbers) > 12
    for name, number in numbers:
        if number != "0":
            kind = errors.CLASSES[int(number)]
            assert kind.status == int(number)
            assert c.lib.status_name(kind.status).decode() == f"DXGRT_{name}"
            assert issubclass(kind, dxgrt.Error)


def test_versions():
    major, minor, patch = (re.search(rf"DXGRT_VERSION_{part} (\d+)", HEADER.read_text())[1] for part in ("MAJOR", "MINOR", "PATCH"))
    assert dxgrt.__version__ == f"{major}.{minor}.{patch}"
