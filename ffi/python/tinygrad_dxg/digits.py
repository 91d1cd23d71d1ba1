"""Two small models of the handwritten digits, trained with tinygrad on whatever device is chosen.

Nothing here knows of dxgrt but :func:`stats`: it is what a user's script looks like. The data is resident on the device, each step
draws its batch there, and a seed makes runs on different devices the same.
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np
from tinygrad import Device, Tensor, TinyJit, nn
from tinygrad.helpers import Context

BATCH = 64
TRAINING = 1500
#: Steps that are not counted: tinygrad runs the first as it is, captures the second, and makes the graph in the third.
WARM = 3


def data_file() -> Path:
    """The data: in an installed package beside this file, in a checkout where the examples have it."""
    beside = Path(__file__).with_name("digits.csv.gz")
    return beside if beside.exists() else Path(__file__).parents[3] / "examples/data/digits.csv.gz"


def load() -> tuple[Any, Any, Any, Any]:
    """Images as 8 by 8 floats from 0 to 1, and classes: of the first 1500 samples, and of the 297 others."""
    with gzip.open(data_file(), "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    images, classes = table[:, :64].reshape(-1, 1, 8, 8) / 16, table[:, 64].astype(np.int32)
    return images[:TRAINING], classes[:TRAINING], images[TRAINING:], classes[TRAINING:]


class Perceptron:
    """64-128-64-10."""

    def __init__(self) -> None:
        self.first, self.second, self.third = nn.Linear(64, 128), nn.Linear(128, 64), nn.Linear(64, 10)

    def __call__(self, x: Tensor) -> Tensor:
        return self.third(self.second(self.first(x.flatten(1)).relu()).relu())


class Convolutional:
    """Two convolutions, a pooling, and a linear layer."""

    def __init__(self) -> None:
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.last = nn.Linear(16 * 4 * 4, 10)

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).relu()).relu().max_pool2d().flatten(1))


MODELS: dict[str, Callable[[], Any]] = {"perceptron": Perceptron, "convolutional": Convolutional}


@dataclass
class Run:
    """What a training has shown."""

    device: str
    losses: list[float] = field(default_factory=list)
    accuracy: float = 0.0
    seconds: float = 0.0
    #: What dxgrt did in the counted steps.
    stats: Any = None
    counted_steps: int = 0
    reads: int = 0


def stats(device: str) -> Any:
    """What dxgrt has done on a device; ``None`` on others."""
    context = getattr(Device[device], "context", None)
    return context.stats() if context is not None and hasattr(context, "stats") else None


def train(device: str, model: str, steps: int, read_every: int = 1, **settings: int) -> Run:
    """Trains for so many steps, reading the loss every so many and at the end. ``settings`` are tinygrad's: ``JIT``, ``JIT_BATCH_SIZE``."""
    with Context(DEV=device, **settings):
        Tensor.manual_seed(1)
        images, classes, test_images, test_classes = (Tensor(part).realize() for part in load())
        network = MODELS[model]()
        optimizer = nn.optim.Adam(nn.state.get_parameters(network), lr=0.01)

        @TinyJit
        @Context(TRAINING=1)
        def step() -> Tensor:
            samples = Tensor.randint(BATCH, high=TRAINING)
            optimizer.zero_grad()
            loss = network(images[samples]).sparse_categorical_crossentropy(classes[samples]).backward()
            return loss.realize(*optimizer.schedule_step())

        run = Run(device, counted_steps=steps - WARM)
        for number in range(steps):
            if number == WARM:
                Device[device].synchronize()
                before, began = stats(device), time.perf_counter()
            loss = step()
            if (number + 1) % read_every == 0 or number + 1 == steps:
                run.losses.append(loss.item())
                run.reads += number >= WARM
        # The last read has waited for everything, so that all of it is counted.
        run.seconds = time.perf_counter() - began
        run.stats = None if before is None else stats(device) - before
        answered = network(test_images).argmax(1) == test_classes
        run.accuracy = float(answered.float().mean().item())
        return run
