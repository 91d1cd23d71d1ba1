"""tinygrad trains on DXG: accuracies, losses equal to its CPU device, and how the work is handed over.

Times are not asserted, counts are. A run's counts begin when tinygrad has captured its step.
"""

import ctypes

import pytest

pytest.importorskip("tinygrad", reason="tinygrad is not installed: pip install dxgrt[tinygrad]")

from dxgrt import _library as c
from tinygrad import Device
from tinygrad_dxg.digits import train

STEPS = 300
ACCURACY = {"perceptron": 0.85, "convolutional": 0.93}
GRAPH, PLAIN = {"JIT_BATCH_SIZE": 0}, {"JIT": 2}


@pytest.fixture(scope="module", params=list(ACCURACY))
def runs(request):
    """One model, trained on DXG with a graph per step and without graphs, and on CPU; each step's loss is read."""
    model = request.param
    return model, train("DXG", model, STEPS, **GRAPH), train("DXG", model, STEPS, **PLAIN), train("CPU", model, STEPS)


def test_models_are_accurate(runs):
    model, *trained = runs
    accuracies = {run.device: run.accuracy for run in trained}
    print(model, accuracies)
    assert min(accuracies.values()) >= ACCURACY[model]


def test_each_loss_equals_that_of_cpu(runs):
    model, graph, plain, cpu = runs
    for run in (graph, plain):
        assert len(run.losses) == len(cpu.losses) == STEPS
        apart = max(abs(ours - theirs) for ours, theirs in zip(run.losses, cpu.losses))
        print(model, "largest difference", apart)
        assert apart <= 1e-3
    assert cpu.losses[-1] < cpu.losses[0] / 4


def test_each_read_back_waits_once_at_most(runs):
    _, graph, plain, _ = runs
    for run in (graph, plain):
        assert run.stats.waits <= run.reads == STEPS - 3
        assert run.stats.allocations == run.stats.round_trips == 0
    # A step's batch, and that of the read behind it, where the step went out before the read was there. On a busy machine kernels
    # take long enough for the cap on a batch's time to split them.
    assert graph.stats.graph_launches == graph.counted_steps
    assert graph.stats.batches <= graph.counted_steps + graph.reads + graph.stats.flush_device_time
    assert graph.stats.batches * 10 < graph.stats.launches


@pytest.mark.parametrize("model", ACCURACY)
def test_between_reads_nothing_waits_and_a_graph_is_one_batch(model):
    graph = train("DXG", model, 103, read_every=50, **GRAPH)
    print(model, graph.stats)
    assert graph.stats.waits <= graph.reads == 3
    assert graph.stats.batches <= graph.counted_steps + graph.reads
    assert graph.stats.launches >= 40 * graph.counted_steps
    assert graph.stats.allocations == graph.stats.round_trips == 0


@pytest.mark.parametrize("model", ACCURACY)
def test_without_graphs_launches_share_batches_and_nothing_is_held_back(model):
    plain = train("DXG", model, 103, read_every=50, **PLAIN)
    print(model, plain.stats)
    assert plain.stats.batches < plain.stats.launches
    assert plain.stats.flush_deadline == 0, "no launch was held back until its time was over"
    assert plain.stats.waits <= plain.reads == 3
    assert plain.stats.allocations == plain.stats.round_trips == 0


@pytest.mark.parametrize("model", ACCURACY)
def test_the_same_stream_as_a_burst(model, monkeypatch):
    """The launches of a few steps, recorded as tinygrad makes them, then enqueued one by one without Python's work between."""
    recorded, launch = [], c.lib.launch

    def record(stream, kernel, params, done):
        copy = c.LaunchParams.from_buffer_copy(params)
        args = ctypes.create_string_buffer(ctypes.string_at(params.args, params.args_size), max(params.args_size, 1))
        copy.args = ctypes.addressof(args)
        recorded.append((stream, kernel, copy, done, args))
        return launch(stream, kernel, params, done)

    monkeypatch.setattr(c.lib, "launch", record)
    train("DXG", model, 13, read_every=13, **PLAIN)
    device = Device["DXG"]
    device.synchronize()
    # The last steps' launches: those of the evaluation after them do not matter here.
    burst = [entry[:4] for entry in recorded[-400:]]
    before = device.context.stats()
    for entry in burst:
        launch(*entry)
    device.synchronize()
    done = device.context.stats() - before
    print(model, done)
    assert done.launches == len(burst) == 400
    assert done.batches * 4 < done.launches


def test_an_unmodified_script_in_a_process_of_its_own(tmp_path):
    """What a user does: a script that never names this package, with DEV=DXG in the environment and compile workers."""
    import os
    import subprocess
    import sys

    script = tmp_path / "script.py"
    script.write_text(
        "from tinygrad import Tensor, Device\n"
        "x = Tensor.rand(17, 33)\n"
        "y = (x @ x.T).softmax().sum(1)\n"
        "print(Device.DEFAULT, abs(y.numpy() - 1).max() < 1e-5, 'tinygrad_dxg.device' in __import__('sys').modules)\n"
    )
    environment = os.environ | {"DEV": "DXG", "CACHELEVEL": "0", "PARALLEL": "2"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["DXG", "True", "True"], done.stderr
