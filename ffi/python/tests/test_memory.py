"""Memory: what Python and others see of it, and how long it lives."""

import gc
import io

import dxgrt
import numpy as np
import pytest


def test_device_memory_is_written_and_read(gpu):
    buffer = gpu.alloc(64, zero=True)
    buffer.write(b"abcd", offset=8)
    assert bytes(buffer.read(6, offset=7)) == b"\0abcd\0"
    assert buffer.size == 64 and buffer.address % 256 == 0 and not buffer.is_host
    assert gpu.find(buffer.address + 9) == (buffer.handle, 9)


@pytest.mark.parametrize("source", [b"1234", bytearray(b"1234"), memoryview(b"1234"), np.frombuffer(b"1234", "i4"), np.array([0x34333231], "i4")])
def test_anything_with_the_buffer_protocol_is_copied(gpu, source):
    buffer = gpu.alloc(4)
    buffer.write(source)
    assert bytes(buffer.read()) == b"1234"


def test_data_is_taken_during_the_call(gpu):
    buffer, data = gpu.alloc(4), bytearray(b"1234")
    gpu.stream.copy_in(buffer, data)
    data[:] = b"...."
    assert bytes(buffer.read()) == b"1234"


def test_host_memory_has_the_buffer_protocol(gpu):
    host = gpu.alloc_host(16)
    assert memoryview(host).nbytes == 16 and bytes(host) == bytes(16)
    host.view()[:4] = b"abcd"
    assert io.BytesIO(b"wxyz").readinto(host.view()[4:8]) == 4
    array = np.asarray(host)
    assert array.dtype == np.uint8 and bytes(array[:8]) == b"abcdwxyz"
    device = gpu.alloc(16)
    gpu.stream.copy(device, host, 16)
    assert bytes(device.read(8)) == b"abcdwxyz"


def test_the_device_writes_what_numpy_sees(gpu):
    host = gpu.alloc_host(32)
    array = host.numpy("float32", (2, 4))
    gpu.stream.fill(host, 32, np.float32(1.5).tobytes()).wait()
    assert array.tolist() == [[1.5] * 4] * 2
    array[1, 2] = 7
    assert np.frombuffer(host, "float32")[6] == 7


def test_views_outlive_the_name_and_the_context():
    with dxgrt.open("software", latency="zero") as gpu:
        array = gpu.alloc_host(1 << 20).numpy("uint8")
        array[:] = 7
        tensor = np.from_dlpack(gpu.alloc_host(1 << 20))
        gc.collect()
        gpu.alloc_host(1 << 20).numpy()[:] = 9
        assert gpu.memory_usage().host >= 2 << 20
    gc.collect()
    assert int(array.sum()) == 7 << 20 and int(tensor.sum()) == 0
    tensor[:] = 1


def test_memory_is_given_back():
    with dxgrt.open("software", latency="zero") as gpu:
        buffers = [gpu.alloc(4096), gpu.alloc_host(4096)]
        array = buffers[1].numpy()
        capsule = buffers[1].__dlpack__()
        buffers[0].free()
        buffers[0].free()
        del buffers
        gc.collect()
        assert gpu.memory_usage().allocations == 0, "device memory goes with its free"
        assert gpu.memory_usage().host >= 4096, "an array holds it"
        del array
        gc.collect()
        assert gpu.memory_usage().host >= 4096, "the capsule that nobody took holds it"
        del capsule
        gc.collect()
        assert gpu.memory_usage().host == 0


def test_memory_freed_in_use_is_safe(gpu):
    stream, result = gpu.create_stream(), gpu.alloc(4)
    for number in range(200):
        scratch = gpu.alloc(4)
        stream.copy_in(scratch, number.to_bytes(4, "little"))
        stream.copy(result, scratch, 4)
        scratch.used_by(gpu.stream) if number % 2 else None
        scratch.free_after(stream) if number % 3 else scratch.free()
    assert int.from_bytes(result.read(stream=stream), "little") == 199


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_dlpack(gpu, version):
    class Exporter:
        """A consumer may ask with a version or without."""

        def __init__(self, host):
            self.host = host

        def __dlpack_device__(self):
            return self.host.__dlpack_device__()

        def __dlpack__(self, **_):
            return self.host.__dlpack__(max_version=version)

    host = gpu.alloc_host(8)
    host.view()[:] = b"12345678"
    assert host.__dlpack_device__() == (1, 0)
    array = np.from_dlpack(Exporter(host))
    assert bytes(array) == b"12345678"
    assert array.flags.writeable == (version is not None)
    with pytest.raises(dxgrt.UnsupportedError, match="CPU"):
        host.__dlpack__(dl_device=(2, 0))
    with pytest.raises(dxgrt.UnsupportedError, match="copies"):
        host.__dlpack__(copy=True)
    device = gpu.alloc(8)
    for export in device.__dlpack__, device.__dlpack_device__:
        with pytest.raises(dxgrt.UnsupportedError, match="of CUDA devices and of the host"):
            export()
    assert not hasattr(device, "__cuda_array_interface__")


def test_cuda_array_interface_is_for_cuda(gpu):
    buffer = gpu.alloc(8)
    assert not hasattr(buffer, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="CUDA devices.*software:0"):
        buffer.__cuda_array_interface__
