// dxgrt for C++17: owners that free what they hold, and exceptions in place of statuses. Header only, over dxgrt.h.
//
// Every class here owns one handle, is moved and not copied, and frees it when it goes; freeing never waits, but for
// Context, whose end completes what was accepted. Licence: MIT OR Apache-2.0.
#ifndef DXGRT_HPP
#define DXGRT_HPP

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dxgrt.h"

namespace dxgrt {

/// A call that failed: its status, and the sentence of the library.
class Error : public std::runtime_error {
public:
    Error(dxgrt_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    dxgrt_status status() const noexcept { return status_; }

private:
    dxgrt_status status_;
};

/// The sentence of this thread's last failure.
inline std::string last_error() {
    std::string text(dxgrt_last_error(nullptr, 0) + 1, '\0');
    text.resize(dxgrt_last_error(&text[0], text.size()));
    return text;
}

/// Throws where a call failed. Statuses that are no failure pass.
inline dxgrt_status check(dxgrt_status status) {
    if (static_cast<int32_t>(status) < 0) throw Error(status, last_error());
    return status;
}

/// A structure with its size set and everything else zero.
template <typename T> T sized() {
    T value;
    std::memset(&value, 0, sizeof value);
    value.struct_size = sizeof value;
    return value;
}

namespace detail {

/// Owns a handle of type T, which `Free` frees.
template <typename T, typename Free> class Owner {
public:
    Owner() = default;
    explicit Owner(T *handle) : handle_(handle) {}
    Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner &operator=(Owner &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { reset(); }

    /// The handle, for calls of dxgrt.h.
    T *get() const noexcept { return handle_; }
    /// Gives the handle away.
    T *release() noexcept { return std::exchange(handle_, nullptr); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

private:
    void reset() noexcept {
        // After the context's end it is freed all the same, which the status says.
        if (handle_ != nullptr) (void)Free()(std::exchange(handle_, nullptr));
    }
    T *handle_ = nullptr;
};

struct Close { dxgrt_status operator()(dxgrt_ctx *it) const { return dxgrt_close(it); } };
struct FreeMemory { dxgrt_status operator()(dxgrt_mem *it) const { return dxgrt_mem_free(it, nullptr); } };
struct Destroy {
    dxgrt_status operator()(dxgrt_stream *it) const { return dxgrt_stream_destroy(it); }
    dxgrt_status operator()(dxgrt_graph *it) const { return dxgrt_graph_destroy(it); }
    dxgrt_status operator()(dxgrt_event *it) const { return dxgrt_event_destroy(it); }
    dxgrt_status operator()(dxgrt_module *it) const { return dxgrt_module_unload(it); }
};

} // namespace detail

using Event = detail::Owner<dxgrt_event, detail::Destroy>;

/// A kernel; belongs to its module.
class Kernel {
public:
    explicit Kernel(dxgrt_kernel *handle) : handle_(handle) {}
    dxgrt_kernel *get() const noexcept { return handle_; }

private:
    dxgrt_kernel *handle_;
};

class Module : public detail::Owner<dxgrt_module, detail::Destroy> {
public:
    using Owner::Owner;
    Kernel kernel(const std::string &name) const {
        dxgrt_kernel *kernel = nullptr;
        check(dxgrt_kernel_get(get(), name.c_str(), &kernel));
        return Kernel(kernel);
    }
};

class Memory : public detail::Owner<dxgrt_mem, detail::FreeMemory> {
public:
    using Owner::Owner;
    uint64_t address() const { return dxgrt_mem_addr(get()); }
    uint64_t size() const { return dxgrt_mem_size(get()); }
    void *host() const { return dxgrt_mem_host_ptr(get()); }
};

/// Packs arguments as kernels see them: addresses as 8 bytes, scalars at their natural alignment.
class Args {
public:
    template <typename... T> explicit Args(const T &...values) { (push(values), ...); }
    void push(const Memory &memory) { push(memory.address()); }
    template <typename T> void push(const T &value) {
        static_assert(std::is_trivially_copyable<T>::value, "arguments are plain bytes");
        bytes_.resize((bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T));
        auto *from = reinterpret_cast<const unsigned char *>(&value);
        bytes_.insert(bytes_.end(), from, from + sizeof value);
    }
    const void *data() const noexcept { return bytes_.data(); }
    uint32_t size() const noexcept { return static_cast<uint32_t>(bytes_.size()); }

private:
    std::vector<unsigned char> bytes_;
};

/// Blocks or threads in up to three dimensions.
struct Extent {
    uint32_t x = 1, y = 1, z = 1;
    Extent(uint32_t x, uint32_t y = 1, uint32_t z = 1) : x(x), y(y), z(z) {}
};

/// A stream: commands that run one after another.
class Stream : public detail::Owner<dxgrt_stream, detail::Destroy> {
public:
    using Owner::Owner;

    dxgrt_fence copy_in(uint64_t dst, const void *src, uint64_t size) {
        dxgrt_fence done;
        check(dxgrt_copy_h2d(get(), dst, src, size, DXGRT_COPY_SNAPSHOT, nullptr, &done));
        return done;
    }
    template <typename T> dxgrt_fence copy_in(const Memory &dst, const std::vector<T> &src) {
        return copy_in(dst.address(), src.data(), src.size() * sizeof(T));
    }
    /// The destination may be written until the fence is done.
    dxgrt_fence copy_out(void *dst, uint64_t src, uint64_t size) {
        dxgrt_fence done;
        check(dxgrt_copy_d2h(get(), dst, src, size, &done));
        return done;
    }
    /// Waits for the data.
    template <typename T> std::vector<T> read(const Memory &src, std::size_t count) {
        std::vector<T> values(count);
        copy_out(values.data(), src.address(), count * sizeof(T));
        sync();
        return values;
    }
    dxgrt_fence copy(uint64_t dst, uint64_t src, uint64_t size) {
        dxgrt_fence done;
        check(dxgrt_copy_d2d(get(), dst, src, size, &done));
        return done;
    }
    template <typename T> dxgrt_fence fill(const Memory &dst, const T &value) {
        static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "1, 2, 4 or 8 bytes");
        dxgrt_fence done;
        check(dxgrt_fill(get(), dst.address(), dst.size(), &value, sizeof value, &done));
        return done;
    }
    dxgrt_fence launch(Kernel kernel, Extent grid, Extent block, const Args &args, uint32_t shared_bytes = 0) {
        auto params = sized<dxgrt_launch_params>();
        const uint32_t blocks[3] = {grid.x, grid.y, grid.z}, threads[3] = {block.x, block.y, block.z};
        std::memcpy(params.grid, blocks, sizeof blocks);
        std::memcpy(params.block, threads, sizeof threads);
        params.shared_bytes = shared_bytes;
        params.args = args.data();
        params.args_size = args.size();
        dxgrt_fence done;
        check(dxgrt_launch(get(), kernel.get(), &params, &done));
        return done;
    }
    dxgrt_fence submit(const std::vector<dxgrt_cmd> &commands) {
        dxgrt_fence done;
        check(dxgrt_submit(get(), commands.data(), static_cast<uint32_t>(commands.size()), &done));
        return done;
    }
    void wait(dxgrt_fence fence) { check(dxgrt_stream_wait(get(), fence)); }
    void flush() { check(dxgrt_stream_flush(get(), nullptr)); }
    void reset() { check(dxgrt_stream_reset(get())); }
    /// Waits for everything enqueued so far.
    void sync() { check(dxgrt_stream_sync(get(), DXGRT_FOREVER)); }
};

class Graph : public detail::Owner<dxgrt_graph, detail::Destroy> {
public:
    using Owner::Owner;
    dxgrt_fence launch(Stream &stream, const std::vector<dxgrt_patch> &patches = {}) {
        dxgrt_fence done;
        auto n = static_cast<uint32_t>(patches.size());
        check(dxgrt_graph_launch(get(), stream.get(), patches.data(), n, &done));
        return done;
    }
};

/// An open device. Its end completes what was accepted.
class Context : public detail::Owner<dxgrt_ctx, detail::Close> {
public:
    using Owner::Owner;
    explicit Context(const char *selector, const dxgrt_open_options *options = nullptr) : Owner(open(selector, options)) {}

    Memory alloc(uint64_t size, uint32_t flags = 0) const {
        dxgrt_mem *memory = nullptr;
        check(dxgrt_mem_alloc(get(), size, 0, flags, &memory));
        return Memory(memory);
    }
    Stream stream(uint32_t priority = DXGRT_PRIORITY_NORMAL) const {
        auto options = sized<dxgrt_stream_options>();
        options.priority = priority;
        dxgrt_stream *stream = nullptr;
        check(dxgrt_stream_create(get(), &options, &stream));
        return Stream(stream);
    }
    Module load(const void *image, std::size_t size, uint32_t format = DXGRT_IMAGE_AUTO) const {
        dxgrt_module *module = nullptr;
        check(dxgrt_module_load(get(), image, size, format, &module));
        return Module(module);
    }
    Module load_file(const std::string &path, uint32_t format = DXGRT_IMAGE_AUTO) const {
        dxgrt_module *module = nullptr;
        check(dxgrt_module_load_file(get(), path.c_str(), format, &module));
        return Module(module);
    }
    /// A graph of commands that run in order.
    Graph graph(const std::vector<dxgrt_cmd> &nodes) const {
        dxgrt_graph *graph = nullptr;
        auto n = static_cast<uint32_t>(nodes.size());
        check(dxgrt_graph_create(get(), nodes.data(), n, nullptr, nullptr, &graph));
        return Graph(graph);
    }
    Event event(uint32_t flags = 0) const {
        dxgrt_event *event = nullptr;
        check(dxgrt_event_create(get(), flags, &event));
        return Event(event);
    }
    /// Whether the fence is done; throws what its command failed with.
    bool done(dxgrt_fence fence) const { return check(dxgrt_fence_poll(get(), fence)) == DXGRT_OK; }
    void wait(dxgrt_fence fence) const { check(dxgrt_fence_wait_all(get(), &fence, 1, DXGRT_FOREVER)); }
    /// Waits no longer than that; whether the fence is done.
    bool wait(dxgrt_fence fence, std::chrono::nanoseconds limit) const {
        auto ns = static_cast<uint64_t>(limit.count() < 0 ? 0 : limit.count());
        return check(dxgrt_fence_wait_all(get(), &fence, 1, ns)) == DXGRT_OK;
    }
    /// Calls `callback` once with the fence's status, on a thread of the library. It must not throw.
    void on_done(dxgrt_fence fence, std::function<void(dxgrt_status)> callback) const {
        auto owned = std::make_unique<std::function<void(dxgrt_status)>>(std::move(callback));
        check(dxgrt_fence_on_done(get(), fence, &call, owned.get()));
        (void)owned.release();
    }
    dxgrt_stats stats() const {
        auto stats = sized<dxgrt_stats>();
        check(dxgrt_stats_get(get(), &stats));
        return stats;
    }
    dxgrt_device_info info() const {
        auto info = sized<dxgrt_device_info>();
        check(dxgrt_info(get(), &info));
        return info;
    }
    void sync() const { check(dxgrt_sync(get(), DXGRT_FOREVER)); }

private:
    static dxgrt_ctx *open(const char *selector, const dxgrt_open_options *options) {
        dxgrt_ctx *context = nullptr;
        check(dxgrt_open(selector, options, &context));
        return context;
    }
    static void call(void *user, dxgrt_status status) noexcept {
        std::unique_ptr<std::function<void(dxgrt_status)>> owned(static_cast<std::function<void(dxgrt_status)> *>(user));
        (*owned)(status);
    }
};

} // namespace dxgrt

#endif // DXGRT_HPP
