"""tinygrad scripts in processes of their own: profiled, spawned and forked, and what they leave behind at their end."""

import os
import pickle
import subprocess
import sys

import pytest

pytest.importorskip("tinygrad", reason="tinygrad is not installed: pip install dxgrt[tinygrad]")

SUM = "from tinygrad import Tensor, TinyJit\nt = Tensor([1.0, 2.0, 3.0]).realize()\n"


def run(folder, script, **environment):
    """Runs a script on DXG to its end, and answers what it printed; it must have nothing to complain about."""
    file = folder / "script.py"
    file.write_text(script)
    done = subprocess.run([sys.executable, file], env=os.environ | {"DEV": "DXG"} | environment, capture_output=True,
                          text=True, timeout=240)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


def test_a_profile_is_written_at_exit(tmp_path):
    script = SUM + (
        "@TinyJit\n"
        "def f(x): return ((x @ x).relu() + 1).sum().realize()\n"
        "for _ in range(4): print(f(Tensor.ones(8, 8).contiguous().realize()).item())\n"
    )
    assert run(tmp_path, script, PROFILE="1", TMPDIR=str(tmp_path)) == ["576.0"] * 4
    profile = next(tmp_path.glob("profile.pkl*"))
    assert any(getattr(event, "device", "").startswith("DXG") for event in pickle.loads(profile.read_bytes()))


def test_spawned_processes_have_devices_of_their_own(tmp_path):
    script = (
        "import multiprocessing\n"
        "from tinygrad import Tensor\n"
        "def work(number): return Tensor([1.0, 2.0, 3.0]).mul(number).sum().item()\n"
        "if __name__ == '__main__':\n"
        "    print(Tensor([4.0]).add(1).item())\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool: print(*pool.map(work, range(3)))\n"
    )
    assert run(tmp_path, script) == ["5.0", "0.0", "6.0", "12.0"]


def test_a_fork_before_the_first_use_is_no_matter(tmp_path):
    script = (
        "import os\n"
        "from tinygrad import Tensor\n"
        "child = os.fork()\n"
        "answer = Tensor([1.0, 2.0, 3.0]).sum().item()\n"
        "os.write(1, f'{answer}\\n'.encode())\n"  # in one piece: print writes the end of the line by itself
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    # Two processes that start at once are no matter of the cache that they would share.
    assert run(tmp_path, script, CACHELEVEL="0") == ["6.0", "6.0"]


def test_a_fork_after_it_is_told_and_ends_well(tmp_path):
    """The child is told why it cannot go on; what it frees at its end is no matter, and the parent notices nothing."""
    script = SUM + (
        "import os, sys\n"
        "from dxgrt import ForkedError\n"
        "print(t.sum().item(), flush=True)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: t.sum().item()\n"
        "    except ForkedError as error: print('fork' in str(error), flush=True)\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(t.sum().item())\n"
    )
    assert run(tmp_path, script) == ["6.0", "True", "6.0"]
