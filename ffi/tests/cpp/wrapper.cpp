// The C++ wrapper: owners, exceptions, callbacks, graphs.
#include <dxgrt.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#define CHECK(condition)                                                                                               \
    if (!(condition)) {                                                                                                \
        std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                             \
        std::exit(1);                                                                                                  \
    }

template <typename T> constexpr bool moves_only =
    std::is_move_constructible<T>::value && std::is_move_assignable<T>::value && !std::is_copy_constructible<T>::value;
static_assert(moves_only<dxgrt::Context> && moves_only<dxgrt::Memory> && moves_only<dxgrt::Stream> &&
              moves_only<dxgrt::Module> && moves_only<dxgrt::Graph> && moves_only<dxgrt::Event>, "owners are moved");
static_assert(!std::is_convertible<dxgrt_mem *, dxgrt_stream *>::value, "kinds of handles do not mix");

int main() {
    CHECK(dxgrt_abi_version() == DXGRT_ABI_VERSION);
    std::atomic<int> told{0};
    dxgrt::Memory outlives;
    {
        dxgrt::Context gpu("software");
        CHECK(gpu.info().kind == DXGRT_DEVICE_SOFTWARE);
        auto module = gpu.load_file("./kernels.so");
        auto affine = module.kernel("affine");
        auto stream = gpu.stream();
        std::vector<uint32_t> values(256, 1);
        auto x = gpu.alloc(values.size() * 4);
        stream.copy_in(x, values);
        for (int i = 0; i < 10; i++) {
            stream.launch(affine, 4, 64, dxgrt::Args(x, uint32_t{256}, uint32_t{1}, uint32_t{1}));
        }
        CHECK(stream.read<uint32_t>(x, 256) == std::vector<uint32_t>(256, 11));
        // Moved, and freed once.
        auto moved = std::move(stream);
        CHECK(!stream && moved);
        auto done = moved.fill(x, uint32_t{7});
        gpu.on_done(done, [&told](dxgrt_status status) { told += status == DXGRT_OK; });
        gpu.wait(done);
        CHECK(gpu.done(done));
        CHECK(gpu.wait(done, std::chrono::milliseconds(1)));
        auto fill = dxgrt::sized<dxgrt_cmd>();
        fill.kind = DXGRT_CMD_FILL;
        fill.u.fill.dst = x.address();
        fill.u.fill.size = x.size();
        fill.u.fill.pattern[0] = 9;
        fill.u.fill.pattern_size = 4;
        auto graph = gpu.graph({fill, fill});
        graph.launch(moved);
        moved.submit({fill});
        CHECK(moved.read<uint32_t>(x, 1)[0] == 9);
        try {
            module.kernel("nobody");
            CHECK(!"a kernel that does not exist was found");
        } catch (const dxgrt::Error &error) {
            CHECK(error.status() == DXGRT_NOT_FOUND && std::string(error.what()).find("nobody") != std::string::npos);
        }
        try {
            dxgrt::Context nothing("nothing");
            CHECK(!"a device that does not exist was opened");
        } catch (const dxgrt::Error &error) {
            CHECK(error.status() == DXGRT_INVALID);
        }
        outlives = gpu.alloc(64);
    }
    CHECK(told == 1);
    std::printf("the wrapper works\n");
    return 0;
}
