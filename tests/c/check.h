/* What the client programs share: checks that say where they failed, and the first steps on the node. */
#ifndef CHECK_H
#define CHECK_H

#include <dxg.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHECK(holds)                                                                                                   \
	do {                                                                                                           \
		if (!(holds)) {                                                                                        \
			fprintf(stderr, "%s:%d: %s does not hold (errno %d, %s)\n", __FILE__, __LINE__, #holds, errno, \
				strerror(errno));                                                                      \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* An ioctl that must succeed, perhaps with a positive status, which is given. */
#define OK(fd, request, argument) checked(ioctl(fd, request, argument), #request, __FILE__, __LINE__)

static inline int checked(int ret, const char *request, const char *file, int line)
{
	if (ret < 0) {
		fprintf(stderr, "%s:%d: %s: %#x, errno %d, %s\n", file, line, request, (unsigned)ret, errno, strerror(errno));
		exit(1);
	}
	return ret;
}

/* An ioctl that must fail with this error number. */
#define FAILS(fd, request, argument, number) CHECK(ioctl(fd, request, argument) == -1 && errno == (number))

#define STATUS_PENDING 0x103

static inline uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* The value of a fence: one load, as a driver reads it. */
static inline uint64_t fence_at(uint64_t page)
{
	return __atomic_load_n((const uint64_t *)(uintptr_t)page, __ATOMIC_ACQUIRE);
}

static inline int open_node(void)
{
	int fd = open("/dev/dxg", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static inline struct d3dkmthandle first_adapter(int fd, struct winluid *luid)
{
	struct d3dkmt_adapterinfo list[8] = {{.num_sources = 0}};
	struct d3dkmt_enumadapters2 enumeration = {.num_adapters = 8, .adapters = address(list)};
	OK(fd, LX_DXENUMADAPTERS2, &enumeration);
	CHECK(enumeration.num_adapters >= 1 && list[0].adapter_handle.v);
	if (luid)
		*luid = list[0].adapter_luid;
	return list[0].adapter_handle;
}

static inline struct d3dkmthandle make_device(int fd, struct d3dkmthandle adapter)
{
	struct d3dkmt_createdevice device = {.adapter = adapter};
	OK(fd, LX_DXCREATEDEVICE, &device);
	/* A refusal of the host is a success without a device. */
	CHECK(device.device.v);
	return device.device;
}

struct fence {
	struct d3dkmthandle handle;
	uint64_t page;
};

static inline struct fence make_fence(int fd, struct d3dkmthandle device, uint64_t initial, int shared)
{
	struct d3dkmt_createsynchronizationobject2 sync = {.device = device};
	sync.info.type = _D3DDDI_MONITORED_FENCE;
	sync.info.flags.shared = shared;
	sync.info.flags.nt_security_sharing = shared;
	sync.info.monitored_fence.initial_fence_value = initial;
	OK(fd, LX_DXCREATESYNCHRONIZATIONOBJECT, &sync);
	struct fence fence = {sync.sync_object, sync.info.monitored_fence.fence_cpu_virtual_address};
	CHECK(fence_at(fence.page) == initial);
	return fence;
}

static inline void destroy_fence(int fd, struct fence fence)
{
	struct d3dkmt_destroysynchronizationobject destroy = {.sync_object = fence.handle};
	OK(fd, LX_DXDESTROYSYNCHRONIZATIONOBJECT, &destroy);
}

static inline void signal_cpu(int fd, struct d3dkmthandle device, struct d3dkmthandle fence, uint64_t value)
{
	struct d3dkmt_signalsynchronizationobjectfromcpu signal = {
	    .device = device, .object_count = 1, .objects = address(&fence), .fence_values = address(&value)};
	OK(fd, LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU, &signal);
}

/* Waits for a value; with an eventfd the call returns at once. */
static inline void wait_cpu(int fd, struct d3dkmthandle device, struct d3dkmthandle fence, uint64_t value, int event)
{
	struct d3dkmt_waitforsynchronizationobjectfromcpu wait = {.device = device,
								  .object_count = 1,
								  .objects = address(&fence),
								  .fence_values = address(&value),
								  .async_event = (uint64_t)(event > 0 ? event : 0)};
	OK(fd, LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &wait);
}

/* What an eventfd counted within so many milliseconds. */
static inline uint64_t fired(int event, int milliseconds)
{
	struct pollfd poll_event = {.fd = event, .events = POLLIN};
	uint64_t count = 0;
	if (poll(&poll_event, 1, milliseconds) == 1)
		CHECK(read(event, &count, sizeof count) == sizeof count);
	return count;
}

#define PATIENCE_MS 20000

/* Waits until a fence has a value; whoever writes it needs a moment. */
static inline int reaches(uint64_t page, uint64_t value)
{
	for (int i = 0; i < PATIENCE_MS && fence_at(page) != value; i++)
		usleep(1000);
	return fence_at(page) == value;
}

#endif
