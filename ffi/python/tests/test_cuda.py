"""On a GPU: memory shared with other libraries, their streams, and tinygrad. Skipped, by name and reason, where there is none."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import dxgrt
import pytest

KERNELS = Path(__file__).parents[3] / "tests" / "cuda" / "kernels.ptx"


def _gpu() -> str:
    try:
        dxgrt.open("cuda").close()
    except dxgrt.Error as error:
        return str(error)
    return ""


_WHY_NOT = _gpu()
pytestmark = pytest.mark.skipif(bool(_WHY_NOT), reason=f"no GPU: {_WHY_NOT}")


def _axpy(gpu: dxgrt.Context, factor: float, x: int, y: int, n: int) -> None:
    kernel = gpu.load(KERNELS).kernel("axpy")
    args = struct.pack("<f4xQQI", factor, x, y, n)
    gpu.stream.launch(kernel, (n + 255) // 256, args, block=256)


def test_a_torch_tensor_is_used_in_place_and_in_order() -> None:
    torch = pytest.importorskip("torch")
    with dxgrt.open("cuda") as gpu:
        for turn in range(20):
            x, y = torch.ones(10_000, device="cuda") * turn, torch.zeros(10_000, device="cuda")
            # Still under way on torch's stream when it is imported.
            y += 1
            mine, yours = gpu.import_cuda(x), gpu.import_cuda(y)
            _axpy(gpu, 2.0, mine.address, yours.address, 10_000)
            gpu.stream.before_cuda(torch.cuda.current_stream().cuda_stream)
            total = y.sum().item()
            assert total == 10_000 * (2.0 * turn + 1), turn
            mine.free()
            yours.free()


def test_our_memory_is_a_torch_tensor() -> None:
    torch = pytest.importorskip("torch")
    with dxgrt.open("cuda") as gpu:
        buffer = gpu.alloc(4096)
        gpu.stream.fill(buffer, 4096, struct.pack("<f", 3.0))
        tensor = torch.from_dlpack(buffer).view(torch.float32)
        assert tensor.device.type == "cuda" and tensor.sum().item() == 3.0 * 1024
        tensor += 1
        gpu.stream.after_cuda(torch.cuda.current_stream().cuda_stream)
        assert bytes(buffer.read(4)) == struct.pack("<f", 4.0)


def test_cupy_arrays_both_ways() -> None:
    cupy = pytest.importorskip("cupy")
    with dxgrt.open("cuda") as gpu:
        x, y = cupy.arange(5000, dtype="float32"), cupy.ones(5000, dtype="float32")
        ours, theirs = gpu.import_cuda(x), gpu.import_cuda(y)
        _axpy(gpu, 1.0, ours.address, theirs.address, 5000)
        gpu.stream.before_cuda()
        assert cupy.allclose(y, cupy.arange(5000) + 1)
        back = cupy.asarray(theirs).view("float32")
        assert float(back[4999]) == 5000.0


def test_what_cannot_be_imported_says_why() -> None:
    torch = pytest.importorskip("torch")
    with dxgrt.open("cuda") as gpu:
        with pytest.raises(TypeError, match="contiguous"):
            gpu.import_cuda(torch.ones(64, 64, device="cuda").t())
        with pytest.raises(dxgrt.InvalidError, match="__dlpack__"):
            gpu.import_cuda(b"bytes")
        tensor = torch.ones(64, device="cuda")
        first = gpu.import_cuda(tensor)
        with pytest.raises(dxgrt.InvalidError, match="already"):
            gpu.import_cuda(tensor)
        first.free()


def test_tinygrad_trains_on_the_gpu() -> None:
    pytest.importorskip("tinygrad")
    script = """
from tinygrad import Context, Tensor, nn, TinyJit
Tensor.manual_seed(1)
x, w = Tensor.rand(256, 16), Tensor.rand(16, 1)
y = (x @ w).realize()
class Net:
    def __init__(self): self.a, self.b = nn.Linear(16, 64), nn.Linear(64, 1)
    def __call__(self, x): return self.b(self.a(x).relu())
net = Net()
opt = nn.optim.Adam(nn.state.get_parameters(net), lr=0.01)
@TinyJit
def step():
    with Context(TRAINING=1):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean().backward()
        opt.step()
        return loss.realize()
losses = [step().item() for _ in range(200)]
assert losses[-1] < 0.05 * losses[0], losses[::40]
from tinygrad import Device
info = Device["DXG"].context.info
assert info.kind == "cuda", info
print(losses[0], losses[-1], info.name)
"""
    environment = os.environ | {"DEV": "DXG", "DXGRT_DEVICE": "cuda:0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
