"""tinygrad's operations on DXG against NumPy, and the parts of the device that models do not use."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tinygrad", reason="tinygrad is not installed: pip install dxgrt[tinygrad]")

from tinygrad import Device, Tensor, TinyJit, Variable, dtypes
from tinygrad.helpers import Context

RANDOM = np.random.default_rng(7)
A, B = (RANDOM.normal(size=(37, 53)).astype("float32") for _ in range(2))
P = np.abs(A) + 0.1
M = RANDOM.normal(size=(53, 29)).astype("float32")
I, J = (RANDOM.integers(1, 100, size=(37, 53)).astype("int32") for _ in range(2))
IMAGE = RANDOM.normal(size=(2, 3, 12, 12)).astype("float32")
FILTER = RANDOM.normal(size=(4, 3, 3, 3)).astype("float32")


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _windows(x, size):
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))


OPS = {
    "add": (lambda a, b: a + b, A, B), "subtract": (lambda a, b: a - b, A, B), "multiply": (lambda a, b: a * b, A, B),
    "divide": (lambda a, b: a / b, A, P), "negate": (lambda a: -a, A), "power": (lambda a: a**3, A),
    "maximum": (lambda a, b: a.maximum(b), A, B, np.maximum), "minimum": (lambda a, b: a.minimum(b), A, B, np.minimum),
    "relu": (lambda a: a.relu(), A, lambda a: np.maximum(a, 0)), "exp": (lambda a: a.exp(), A, np.exp),
    "log": (lambda a: a.log(), P, np.log), "sqrt": (lambda a: a.sqrt(), P, np.sqrt), "sin": (lambda a: a.sin(), A, np.sin),
    "cos": (lambda a: a.cos(), A, np.cos), "tanh": (lambda a: a.tanh(), A, np.tanh), "abs": (lambda a: a.abs(), A, np.abs),
    "sigmoid": (lambda a: a.sigmoid(), A, lambda a: 1 / (1 + np.exp(-a))), "floor": (lambda a: a.floor(), A, np.floor),
    "round": (lambda a: a.round(), A, np.round), "less": (lambda a, b: a < b, A, B), "equal": (lambda a, b: a == b, I, J),
    "where": (lambda a, b: (a > b).where(a, b), A, B, np.maximum), "integer_divide": (lambda a, b: a // b, I, J),
    "modulo": (lambda a, b: a % b, I, J), "xor": (lambda a, b: a ^ b, I, J), "shift": (lambda a: a << 3, I),
    "sum": (lambda a: a.sum(), A), "sum_rows": (lambda a: a.sum(1), A), "mean": (lambda a: a.mean(0), A),
    "max": (lambda a: a.max(1), A), "min": (lambda a: a.min(0), A), "argmax": (lambda a: a.argmax(1), A),
    "cumulative_sum": (lambda a: a.cumsum(1), A, lambda a: np.cumsum(a, 1)), "matmul": (lambda a, m: a @ m, A, M),
    "transpose": (lambda a: a.transpose(0, 1).contiguous(), A, lambda a: a.T), "reshape": (lambda a: a.reshape(53, 37) + 1, A),
    "slice": (lambda a: a[3:30:2, 5:] * 2, A), "flip": (lambda a: a.flip(1).contiguous(), A, lambda a: a[:, ::-1]),
    "pad": (lambda a: a.pad(((1, 2), (3, 0))), A, lambda a: np.pad(a, ((1, 2), (3, 0)))),
    "concatenate": (lambda a, b: a.cat(b, dim=1), A, B, lambda a, b: np.concatenate([a, b], 1)),
    "gather": (lambda a, i: a[:, i], A, np.arange(0, 53, 3, dtype="int32")),
    "softmax": (lambda a: a.softmax(), A, _softmax), "variance": (lambda a: a.var(1), A, lambda a: a.var(1, ddof=1)),
    "convolution": (lambda x, w: x.conv2d(w), IMAGE, FILTER, lambda x, w: np.einsum("nchwij,ocij->nohw", _windows(x, 3), w)),
    "max_pool": (lambda x: x.max_pool2d(3, stride=1), IMAGE, lambda x: _windows(x, 3).max((4, 5))),
    "sort": (lambda a: a[:4].sort(1)[0], A, lambda a: np.sort(a[:4], 1)),
    "cast_half": (lambda a: a.cast("float16").contiguous().cast("float32"), A, lambda a: a.astype("float16").astype("float32")),
    "double": (lambda a: a.cast("float64").exp(), A, lambda a: np.exp(a.astype("float64"))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def on_dxg():
    with Context(DEV="DXG"):
        yield


@pytest.mark.parametrize("name", OPS)
def test_operation(name):
    operation, *rest = OPS[name]
    inputs = [each for each in rest if isinstance(each, np.ndarray)]
    reference = rest[-1] if callable(rest[-1]) else operation
    result = operation(*(Tensor(each) for each in inputs))
    assert result.device == "DXG"
    expected = reference(*inputs)
    np.testing.assert_allclose(result.numpy(), expected, rtol=2e-4, atol=2e-5)
    assert result.numpy().shape == np.shape(expected)


TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_types(dtype):
    values = [0, 1, 1, 0, 1] if dtype == "bool" else [0, 1, 2, 100, 7]
    tensor = Tensor(values).cast(dtype).realize()
    assert tensor.cast("int32").tolist() == values
    assert (tensor + tensor).cast("int32").tolist() == ([min(2 * v, 1) for v in values] if dtype == "bool" else [2 * v for v in values])


@pytest.mark.parametrize("dtype", TYPES)
def test_casts_to_every_type(dtype):
    # NumPy has no bfloat16; these values are the same in it as in float32.
    of_numpy = {"bfloat16": "float32"}
    values = np.array([0, 1, 1, 0] if dtype == "bool" else [0, 1, 2, 100], of_numpy.get(dtype, dtype))
    if dtype.startswith(("float", "bfloat")):
        values = np.append(values, [2.5, 0.5]).astype(values.dtype)
    elif dtype.startswith("int"):
        values = np.append(values, [-1, -7]).astype(values.dtype)
    source = Tensor(values.tolist()).cast(dtype).realize()
    results = [source.cast(to).contiguous() for to in TYPES]
    Tensor.realize(*results)
    for to, result in zip(TYPES, results):
        expected = values.astype(of_numpy.get(to, to))
        np.testing.assert_array_equal((result.cast("float32") if to == "bfloat16" else result).numpy(), expected, err_msg=to)


@pytest.mark.parametrize("size", [1, 3, 4096, 1 << 20, (1 << 24) + 5])
def test_bytes_go_there_and_back(size):
    data = RANDOM.integers(0, 256, size=size, dtype="uint8")
    assert (Tensor(data).contiguous().realize().numpy() == data).all()


def test_the_other_compiler():
    with Context(DEV="DXG:GCC"):
        assert type(Device["DXG"].renderer).__name__ == "DXGGccRenderer"
        np.testing.assert_allclose((Tensor(A) @ Tensor(M)).softmax().numpy(), _softmax(A @ M), rtol=1e-4, atol=1e-6)
        assert Tensor([0.5, 2.0]).cast("float16").mul(3).cast("float32").tolist() == [1.5, 6.0]
    assert type(Device["DXG"].renderer).__name__ == "DXGClangRenderer"


def test_kernels_of_many_threads():
    big = RANDOM.normal(size=(512, 512)).astype("float32")
    with Context(NUM_CPU_THREADS=8):
        np.testing.assert_allclose((Tensor(big) @ Tensor(big)).numpy(), big @ big, rtol=1e-3, atol=1e-3)


def test_graphs_take_other_inputs():
    @TinyJit
    def step(x, y):
        return ((x @ y).relu() + x.sum()).realize(), (x * 2).realize()

    for number in range(8):
        x, y = (RANDOM.normal(size=(16, 16)).astype("float32") for _ in range(2))
        first, second = step(Tensor(x).realize(), Tensor(y).realize())
        np.testing.assert_allclose(first.numpy(), np.maximum(x @ y, 0) + x.sum(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(second.numpy(), x * 2)


def test_graphs_with_variables():
    @TinyJit
    def step(x):
        return (x.sum(), (x * 2).sum(0), x.max())[0].realize()

    data, rows = Tensor(RANDOM.normal(size=(40, 16)).astype("float32")).realize(), Variable("rows", 1, 40)
    for number in (3, 7, 11, 40, 1, 25, 25, 2):
        np.testing.assert_allclose(step(data[: rows.bind(number)]).item(), data.numpy()[:number].sum(), rtol=1e-3, atol=1e-4)


def test_graphs_with_variables_and_several_programs():
    @TinyJit
    def step(x):
        rows = (x @ x.transpose(0, 1)).sum(1).contiguous()
        return (rows.sum() + x.sum().contiguous() * 2).realize()

    data, rows = RANDOM.normal(size=(24, 8)).astype("float32"), Variable("n", 1, 24)
    tensor = Tensor(data).realize()
    for number in (2, 5, 24, 1, 13, 8):
        part = data[:number]
        expected = (part @ part.T).sum() + part.sum() * 2
        np.testing.assert_allclose(step(tensor[: rows.bind(number)]).item(), expected, rtol=1e-3, atol=1e-3)


def test_an_earlier_replay_keeps_its_inputs():
    """A graph is patched for each launch; launches that are still on their way must not see the next one's addresses."""

    @TinyJit
    def step(x):
        return ((x + 1).contiguous() * 2).contiguous().sum().realize()

    total, kept = Tensor([0.0]).realize(), []
    inputs = [Tensor([float(number)] * 64).realize() for number in range(40)]
    for x in inputs:
        kept.append((step(x) + total).realize())
    assert [int(value.item()) for value in kept] == [64 * 2 * (number + 1) for number in range(40)]


def test_two_contexts():
    first = Tensor(A, device="DXG").realize()
    second = first.to("DXG:1").realize()
    np.testing.assert_array_equal((second + 1).to("DXG").numpy(), A + 1)
    sharded = Tensor(A[:36]).shard(("DXG", "DXG:1"), axis=0)
    np.testing.assert_allclose((sharded @ Tensor(M).shard(("DXG", "DXG:1"))).numpy(), A[:36] @ M, rtol=1e-4, atol=1e-4)
    assert Device["DXG"].context is not Device["DXG:1"].context


def test_timed_programs_answer_seconds():
    # In a process of its own: this asks for the stack, and tinygrad's pool of compilers hides the main module's file for a
    # moment whenever it starts a worker.
    script = "from tinygrad import Tensor; (Tensor([1.0, 2.0]) + 3).realize()"
    settings = os.environ | {"DEV": "DXG", "DEBUG": "2", "PARALLEL": "0"}
    run = subprocess.run([sys.executable, "-c", script], env=settings, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "DXG" in run.stdout


def test_memory_that_is_not_ours_is_refused():
    foreign = np.zeros(4, "float32")
    with pytest.raises((MemoryError, RuntimeError), match="DXG"):
        Tensor.from_blob(foreign.ctypes.data, (4,), dtype=dtypes.float32, device="DXG").add(1).numpy()


def test_the_packed_arguments_are_those_of_a_c_structure():
    from tinygrad_dxg.device import DXGProgram

    program = DXGProgram.__new__(DXGProgram)
    program._packing = None
    program.signature = ((None, 0, dtypes.float, (4,)), (None, 1, dtypes.int8, (4,)), ("a", 2, dtypes.int8, ()),
                         ("b", 3, dtypes.int64, ()), ("core_id", 4, dtypes.int32, ()), ("c", 5, dtypes.int16, ()))  # fmt: skip

    class Args(ctypes.Structure):
        _fields_ = [("x", ctypes.c_uint64), ("y", ctypes.c_uint64), ("a", ctypes.c_int8), ("b", ctypes.c_int64),
                    ("core_id", ctypes.c_int32), ("c", ctypes.c_int16)]  # fmt: skip

    packed = program.pack([1 << 40, 2 << 40], [-3, -(1 << 40), None, 9])
    args = Args.from_buffer_copy(packed + bytes(ctypes.sizeof(Args) - len(packed)))
    assert (args.x, args.y, args.a, args.b, args.core_id, args.c) == (1 << 40, 2 << 40, -3, -(1 << 40), 0, 9)
