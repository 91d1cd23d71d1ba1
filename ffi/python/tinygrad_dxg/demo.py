"""``python -m tinygrad_dxg.demo``: trains the two digit models on DXG and on tinygrad's CPU device, and compares.

Each model is trained three times: on DXG with each step as one graph, on DXG without graphs, and on CPU. The numbers printed are
those that the test-suite asserts. Exit code 1: something does not hold.
"""

from __future__ import annotations

import argparse
import sys

from .digits import MODELS, Run, train

GOALS = {"perceptron": 0.85, "convolutional": 0.93}


def _line(name: str, run: Run) -> str:
    step = run.seconds / run.counted_steps * 1e3
    text = f"  {name:<22}{run.accuracy:>9.3f}{run.losses[0]:>12.4f}{run.losses[-1]:>12.4f}{step:>10.2f}"
    if run.stats is None:
        return text
    stats, steps = run.stats, run.counted_steps
    return text + f"{stats.launches / steps:>12.1f}{stats.batches / steps:>13.2f}{stats.waits:>8}{run.reads:>8}{stats.allocations:>8}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_dxg.demo", description="Train digits on DXG and on CPU.")
    parser.add_argument("--steps", type=int, default=300, help="training steps of each run (default: 300)")
    parser.add_argument("--read-every", type=int, default=10, help="steps between two looks at the loss (default: 10)")
    parser.add_argument("--model", choices=list(MODELS), action="append", help="which model (default: both)")
    options = parser.parse_args()
    if options.steps < 10 or options.read_every < 1:
        parser.error("at least 10 steps, and 1 step between two looks")
    print(f"{options.steps} steps of 64 samples; the loss is read every {options.read_every} steps")
    ok = True
    for model in options.model or MODELS:
        print(f"\n{model}")
        print(f"  {'device':<22}{'accuracy':>9}{'first loss':>12}{'last loss':>12}{'ms/step':>10}"
              f"{'launches/st':>12}{'batches/step':>13}{'waits':>8}{'reads':>8}{'allocs':>8}")  # fmt: skip
        arguments = ("DXG", model, options.steps, options.read_every)
        graph = train(*arguments, JIT_BATCH_SIZE=0)
        print(_line("DXG, a graph per step", graph))
        plain = train(*arguments, JIT=2)
        print(_line("DXG, no graphs", plain))
        cpu = train("CPU", *arguments[1:])
        print(_line("CPU", cpu))
        apart = max(abs(a - b) for run in (graph, plain) for a, b in zip(run.losses, cpu.losses))
        holds = {
            "losses equal those of CPU within 1e-3": apart <= 1e-3,
            "a graph per step: no more batches than steps and reads": graph.stats.batches <= graph.counted_steps + graph.reads,
            "no graphs: fewer batches than launches": plain.stats.batches < plain.stats.launches,
            "waits for read-backs alone": max(graph.stats.waits - graph.reads, plain.stats.waits - plain.reads) <= 0,
            "no allocations in steady state": graph.stats.allocations == plain.stats.allocations == 0,
        }
        if options.steps >= 300:
            holds[f"accuracy of {GOALS[model]} or more"] = min(graph.accuracy, plain.accuracy) >= GOALS[model]
        print(f"  largest difference of a loss from that of CPU: {apart:.2g}")
        for what, held in holds.items():
            print(f"  {'yes' if held else 'NO '}  {what}")
        ok &= all(holds.values())
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
