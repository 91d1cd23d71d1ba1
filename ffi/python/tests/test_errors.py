"""Every misuse is answered with the exception of its status and a sentence; none crashes."""

import ctypes
import logging
import multiprocessing
import os
import sys

import dxgrt
import pytest


def test_opening(monkeypatch):
    for selector, kind in (("toaster", dxgrt.InvalidError), ("software:x", dxgrt.InvalidError)):
        with pytest.raises(kind, match="selector|software"):
            dxgrt.open(selector)
    with pytest.raises(dxgrt.InvalidError, match="colour"):
        dxgrt.open("software", colour=1)
    with pytest.raises(ValueError, match="latency"):
        dxgrt.open("software", latency="some")
    found = dxgrt.devices()
    assert found and found[-1].kind in ("software", "dxg", "cuda")
    assert any(info.kind == "software" and info.can_launch and "elf" in info.image_formats for info in found)
    monkeypatch.setenv("DXGRT_DEVICE", "software:0")
    with dxgrt.open() as gpu:
        assert gpu.info.selector == "software:0"


def test_memory(gpu):
    with pytest.raises(MemoryError) as caught:
        gpu.alloc(1 << 60)
    assert isinstance(caught.value, dxgrt.NoMemoryError) and caught.value.status == -2
    for bad in (-1, 1 << 63):
        with pytest.raises(dxgrt.InvalidError):
            gpu.alloc(bad)
    with pytest.raises(dxgrt.InvalidError, match="alignment"):
        gpu.alloc(4, alignment=3)
    with pytest.raises(dxgrt.NotFoundError):
        gpu.find(16)
    x = gpu.alloc(4)
    with pytest.raises(dxgrt.Error):
        x.write(b"12345")
    with pytest.raises(dxgrt.InvalidError, match="writable"):
        gpu.stream.copy_out(b"1234", x)
    with pytest.raises(dxgrt.InvalidError, match="contiguous"):
        x.write(3.5)
    with pytest.raises(dxgrt.InvalidError, match="pattern of 3"):
        gpu.stream.fill(x, 3, b"abc")
    assert gpu.alloc(0).address and gpu.alloc_host(0).view().nbytes == 0


def test_freed_and_foreign(gpu, image):
    x = gpu.alloc(4)
    x.free()
    with pytest.raises(dxgrt.Error):
        x.write(b"1234")
    module = gpu.load(image)
    kernel = module.kernel("add")
    module.unload()
    with pytest.raises(dxgrt.InvalidError):
        gpu.stream.launch(kernel, 1, b"")
    with dxgrt.open("software", latency="zero") as other:
        theirs = other.load(os.fspath(image)).kernel("add")
        with pytest.raises(dxgrt.InvalidError):
            gpu.stream.launch(theirs, 1, [gpu.alloc(4), ctypes.c_float(1)])
        with pytest.raises(dxgrt.InvalidError, match="different contexts"):
            dxgrt.wait_all([gpu.stream.fence, other.stream.fence])


def test_images(gpu, tmp_path):
    with pytest.raises(dxgrt.BadImageError):
        gpu.load(b"\x7fELF" + bytes(100))
    with pytest.raises(dxgrt.Error):
        gpu.load(tmp_path / "missing.so")
    with pytest.raises(dxgrt.InvalidError, match="wasm"):
        gpu.load(b"", format="wasm")


def test_kernels(module):
    with pytest.raises(LookupError, match="subtract"):
        module.kernel("subtract")


def test_after_close(image):
    gpu = dxgrt.open("software", latency="zero")
    stream, x, module = gpu.create_stream(), gpu.alloc(4), gpu.load(image)
    event, fence = gpu.create_event(), gpu.stream.fill(x, 4)
    gpu.close()
    gpu.close()
    attempts = [lambda: gpu.alloc(4), lambda: gpu.stats(), lambda: stream.fill(x, 4), lambda: module.kernel("add"),
                lambda: event.record(stream), lambda: fence.wait(), lambda: gpu.sync(), lambda: x.write(b"1234")]  # fmt: skip
    for number, attempt in enumerate(attempts):
        try:
            attempt()
        except dxgrt.ShutdownError:
            continue
        # What needs no device may still answer; nothing may fail in another way.
        assert number in (1, 5), number
    x.free()
    module.unload()


def test_the_sentence_is_the_librarys(gpu):
    with pytest.raises(dxgrt.InvalidError) as caught:
        gpu.alloc(4, alignment=3)
    assert "power of two" in str(caught.value)


def test_no_room_is_an_error_where_asked_for(image):
    with dxgrt.open("software", backpressure="error", stream_commands=8) as gpu:
        x = gpu.alloc(1 << 24)
        with pytest.raises(BlockingIOError):
            for _ in range(1000):
                gpu.stream.fill(x, 1 << 24, b"\1")
        gpu.sync()


def _child(queue, gpu):
    try:
        gpu.alloc(4)
    except dxgrt.ForkedError as error:
        queue.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_noticed(gpu):
    process_context = multiprocessing.get_context("fork")
    queue = process_context.SimpleQueue()
    child = process_context.Process(target=_child, args=(queue, gpu))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and "fork" in queue.get()


def test_the_log_goes_to_a_logger(caplog):
    logger = logging.getLogger("dxgrt.test")
    dxgrt.log_to(logger, logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG, "dxgrt.test"), dxgrt.open("software", latency="zero") as gpu:
            gpu.alloc(4).write(b"1234")
            gpu.sync()
    finally:
        dxgrt.log_to(None)
    assert any("dxg" in record.getMessage() for record in caplog.records)


def test_a_failing_callback_is_reported_and_harmless(gpu, monkeypatch):
    import threading

    seen, over, x = [], threading.Event(), gpu.alloc(4)
    monkeypatch.setattr(sys, "unraisablehook", lambda told: (seen.append(told.exc_type), over.set()))

    def fail(_):
        raise KeyError("on purpose")

    gpu.stream.fill(x, 4).add_done_callback(fail)
    assert over.wait(10) and seen == [KeyError]
    gpu.sync()
