"""What the tests share: an open device, and kernels compiled from C."""

import subprocess

import dxgrt
import pytest

KERNELS = """
struct wg { unsigned group[3], groups[3], local[3]; };
struct add_args { float *x; float by; };
void add(const struct add_args *args, const struct wg *wg) {
    float *x = args->x + wg->group[0] * wg->local[0];
    for (unsigned i = 0; i < wg->local[0]; i++) x[i] += args->by;
}
struct mixed_args { unsigned char small; double wide; unsigned short middle; double *out; };
void mixed(const struct mixed_args *args, const struct wg *wg) {
    (void)wg;
    args->out[0] = args->small; args->out[1] = args->wide; args->out[2] = args->middle;
}
struct copy_args { const float *from; float *to; };
void copy(const struct copy_args *args, const struct wg *wg) {
    for (unsigned i = 0; i < wg->local[0]; i++) args->to[wg->group[0] * wg->local[0] + i] =
        args->from[wg->group[0] * wg->local[0] + i];
}
struct hidden_args { void *named; float *from, *to; };
void hidden(const struct hidden_args *args, const struct wg *wg) {
    (void)wg;
    *args->to = *args->from + 1;
}
"""


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """The kernels above as an ELF shared object."""
    out = tmp_path_factory.mktemp("kernels") / "kernels.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-x", "c", "-", "-o", str(out)]
    subprocess.run(command, input=KERNELS, text=True, check=True)
    return out


@pytest.fixture
def gpu():
    """A context of its own for each test."""
    with dxgrt.open("software", latency="zero") as context:
        yield context


@pytest.fixture
def module(gpu, image):
    """The kernels, loaded."""
    return gpu.load(image.read_bytes())
