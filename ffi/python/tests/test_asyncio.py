"""Awaiting fences: through the loop's own reactor, many at once, failures and cancellation included."""

import asyncio
import os

import dxgrt
import pytest


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_many_tasks_await_while_the_loop_goes_on():
    async def task(gpu, number):
        stream, x, out = gpu.create_stream(), gpu.alloc(4), bytearray(4)
        for _ in range(5):
            await stream.copy_in(x, number.to_bytes(4, "little"))
            await stream.copy_out(out, x)
        return int.from_bytes(out, "little")

    async def ticks(done):
        count = 0
        while not done.is_set():
            await asyncio.sleep(0)
            count += 1
        return count

    async def main(gpu):
        done = asyncio.Event()
        ticking = asyncio.create_task(ticks(done))
        results = await asyncio.gather(*(task(gpu, number) for number in range(50)))
        done.set()
        assert results == list(range(50))
        assert await ticking > 10

    with dxgrt.open("software") as gpu:
        asyncio.run(main(gpu))
        before = descriptors()
        asyncio.run(main(gpu))
        # Two awaits of 250 that kept theirs would be seen; the library's own threads may open one when they first need it.
        assert descriptors() <= before + 2


def test_cancellation_leaves_nothing_behind():
    async def main(gpu, x):
        waiting = [asyncio.ensure_future(_awaited(gpu.stream.fill(x, 1 << 26, b"\1"))) for _ in range(20)]
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert any(isinstance(result, asyncio.CancelledError) for result in results)
        await gpu.stream.fence

    with dxgrt.open("software") as gpu:
        x = gpu.alloc(1 << 26)
        asyncio.run(main(gpu, x))
        before = descriptors()
        for _ in range(5):
            asyncio.run(main(gpu, x))
        # A hundred waits that kept theirs would be seen.
        assert descriptors() <= before + 2


async def _awaited(fence):
    await fence


def test_awaiting_after_close_raises(gpu):
    x = gpu.alloc(4)
    fence = gpu.stream.fill(x, 4)
    gpu.close()
    with pytest.raises(dxgrt.ShutdownError):
        asyncio.run(_awaited(fence))
