"""Streams, launches, graphs, fences and events."""

import ctypes
import threading

import dxgrt
import numpy as np
import pytest
from dxgrt import Copy, CopyIn, CopyOut, Fill, Launch, Patch, Read, ReadWrite, Write


def floats(buffer):
    return np.frombuffer(buffer.read(), "float32").tolist()


def test_launches_run_in_order_and_are_gathered(gpu, module):
    add, x = module.kernel("add"), gpu.alloc(1024, zero=True)
    before = gpu.stats()
    for _ in range(1000):
        gpu.stream.launch(add, 4, [x, ctypes.c_float(1)], block=64)
    assert floats(x) == [1000.0] * 256
    done = gpu.stats() - before
    assert done.launches == 1000 and done.batches < 250


def test_arguments_are_packed_as_a_compiler_lays_them_out(gpu, module):
    out = gpu.alloc(24)
    args = [np.uint8(200), ctypes.c_double(0.5), ctypes.c_ushort(40000), out]
    gpu.stream.launch(module.kernel("mixed"), 1, args)
    assert np.frombuffer(out.read(), "float64").tolist() == [200, 0.5, 40000]


def test_arguments_that_do_not_say_how_wide_they_are_are_refused(gpu, module):
    x = gpu.alloc(4)
    for args, why in (([x, 1.0], "float"), ([x, -1], "no address"), ([x, True], "bool"), ([Read(x), x], "wrap all")):
        with pytest.raises(dxgrt.InvalidError, match=why):
            gpu.stream.launch(module.kernel("add"), 1, args)
    with pytest.raises(dxgrt.InvalidError, match="grid"):
        gpu.stream.launch(module.kernel("add"), (1, 2, 3, 4), b"")


def test_launches_that_tell_what_they_touch_are_still_in_order(gpu, module):
    add, copy = module.kernel("add"), module.kernel("copy")
    x, y, z = (gpu.alloc(256, zero=True) for _ in range(3))
    for _ in range(20):
        gpu.stream.launch(add, 1, [ReadWrite(x), ctypes.c_float(1)], block=64)
        gpu.stream.launch(add, 1, [ReadWrite(z), ctypes.c_float(2)], block=64)
        gpu.stream.launch(copy, 1, [Read(x), Write(y)], block=64)
    assert floats(y) == [20.0] * 64 and floats(z) == [40.0] * 64


def test_submit_is_one_entry(gpu, module):
    x, y, out = gpu.alloc(16), gpu.alloc(16), bytearray(16)
    before = gpu.stats()
    gpu.stream.submit([
        CopyIn(x, np.arange(4, dtype="float32")),
        Launch(module.kernel("add"), 1, [x, ctypes.c_float(1)], block=4),
        Copy(y, x, 8),
        Fill(y.address + 8, 8, np.float32(9).tobytes()),
        CopyOut(out, y),
    ]).wait()  # fmt: skip
    assert np.frombuffer(out, "float32").tolist() == [1, 2, 9, 9]
    assert (gpu.stats() - before).batches == 1
    before = gpu.stats()
    with pytest.raises(dxgrt.InvalidError):
        gpu.stream.submit([Fill(x, 16, b"\1"), Copy(y.address, x.address, 1 << 40)])
    with pytest.raises(dxgrt.InvalidError, match="no command"):
        gpu.stream.submit(["launch"])
    assert (gpu.stats() - before).commands == 0


def test_graphs_are_patched_for_one_launch(gpu, module):
    x, y, out = gpu.alloc(16, zero=True), gpu.alloc(16, zero=True), bytearray(4)
    add = module.kernel("add")
    nodes = [Launch(add, 1, [x, ctypes.c_float(1)], block=4), CopyIn(y, b"\0\0\x80\x3f"), CopyOut(out, y.address + 4)]
    graph = gpu.graph(nodes, after=[[], [0], [1]])
    graph.launch(gpu.stream)
    graph.launch(gpu.stream, [Patch.args(0, [ctypes.c_float(10)], offset=8), Patch.dst(1, y.address + 4)]).wait()
    graph.launch(gpu.stream, [Patch.block(0, 2)])
    assert floats(x) == [12.0, 12.0, 11.0, 11.0] and floats(y)[:2] == [1.0, 1.0]
    assert np.frombuffer(out, "float32")[0] == 1
    with pytest.raises(dxgrt.InvalidError):
        graph.launch(gpu.stream, [Patch.dst(7, y)])
    with pytest.raises(dxgrt.InvalidError, match="for 3 nodes"):
        gpu.graph(nodes, after=[[]])
    graph.destroy()
    graph.destroy()


def test_nodes_of_a_graph_are_ordered_by_what_is_said(gpu, module):
    """Nothing but ``after`` says that the launch reads what the fill writes; left alone, launches go before fills."""
    x, named = gpu.alloc(8), gpu.alloc(4)
    cells = [ctypes.c_uint64(x.address), ctypes.c_uint64(x.address + 4)]
    launch = Launch(module.kernel("hidden"), 1, [ReadWrite(named), *cells])
    graph = gpu.graph([Fill(x, 4, np.float32(5).tobytes()), launch], after=[[], [0]])
    for _ in range(10):
        gpu.stream.fill(x, 8)
        graph.launch(gpu.stream)
        assert floats(x) == [5.0, 6.0]


def test_a_patch_writes_no_further_than_the_memory_of_a_copy(gpu):
    x, out = gpu.alloc(4096, zero=True), bytearray(b"\1" * 16)
    graph = gpu.graph([CopyOut(out, x)])
    for patch in (Patch.size(0, 17), Patch.dst(0, x)):
        with pytest.raises(dxgrt.InvalidError, match="node 0 copies to"):
            graph.launch(gpu.stream, [patch])
    graph.launch(gpu.stream, [Patch.size(0, 8)]).wait()
    assert out == bytes(8) + b"\1" * 8


def test_streams_wait_for_each_other(gpu):
    first, second, x = gpu.create_stream("low"), gpu.create_stream("high"), gpu.alloc(4)
    for number in range(50):
        second.wait(first.copy_in(x, number.to_bytes(4, "little")))
        second.copy(x.address + 2, x.address, 2)
        first.wait(second.fence)
    assert bytes(x.read(stream=first)) == b"\x31\0\x31\0"


def test_fences(gpu):
    x = gpu.alloc(1 << 20)
    fences = [gpu.create_stream().fill(x.address + 4 * at, 4, bytes([at] * 4)) for at in range(3)]
    assert dxgrt.wait_any(fences) in range(3)
    dxgrt.wait_all(fences, timeout=10)
    assert all(fence.done() for fence in fences)
    with pytest.raises(dxgrt.InvalidError, match="at least one"):
        dxgrt.wait_all([])
    with pytest.raises(dxgrt.InvalidError, match="timeout"):
        fences[0].wait(-1)


def test_waiting_ends_with_its_time(image):
    with dxgrt.open("software") as gpu:
        x = gpu.alloc(1 << 26)
        for _ in range(20):
            fence = gpu.stream.fill(x, 1 << 26, b"\1")
        with pytest.raises(TimeoutError) as caught:
            fence.wait(1e-6)
        assert isinstance(caught.value, dxgrt.WaitTimeoutError)
        fence.wait()


def test_callbacks_come_once(gpu):
    called, over, x = [], threading.Event(), gpu.alloc(4)

    def count(failure):
        called.append(failure)
        if len(called) == 100:
            over.set()

    for _ in range(100):
        gpu.stream.fill(x, 4).add_done_callback(count)
    assert over.wait(10)
    assert called == [None] * 100


def test_events_keep_time():
    with dxgrt.open("software") as gpu:
        first, last, x = gpu.create_event(timing=True), gpu.create_event(timing=True), gpu.alloc(1 << 24)
        with pytest.raises(dxgrt.NotReadyError):
            first.elapsed(last)
        first.record(gpu.stream)
        gpu.stream.fill(x, 1 << 24)
        last.record(gpu.stream)
        last.fence.wait()
        assert 0 < first.elapsed(last) < 10
        assert first.fence.done()
        first.free()


def test_a_read_keeps_its_destination(gpu):
    x = gpu.alloc(1 << 16, zero=True)
    for _ in range(100):
        gpu.stream.copy_out(bytearray(1 << 16), x)
    gpu.sync()


def test_many_threads_share_a_stream(gpu, module):
    add, x = module.kernel("add"), gpu.alloc(256, zero=True)

    def work():
        for _ in range(200):
            gpu.stream.launch(add, 1, [x, ctypes.c_float(1)], block=64)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert floats(x) == [800.0] * 64
