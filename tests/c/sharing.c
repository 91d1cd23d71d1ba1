/*
 * Sharing with other processes: a resource and a sync file, opened by the child of a fork, by a program started with the
 * descriptors, and by a process that got them over a socket. Each of them has an adapter of its own; memory and fences are the
 * same. And descriptors that only look like these.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define BYTES 131072
#define RUNTIME "runtime data"
#define RESOURCE "of all"

static const char *self;

/* One process's way to the GPU. */
struct gpu {
	int fd, event;
	struct d3dkmthandle device, context, queue, progress, paging, paging_fence;
	uint64_t progress_page, paging_page, value;
	uint64_t commands_at;
	void *commands;
};

static void resident(struct gpu *gpu, struct d3dkmthandle allocation, uint64_t *gpu_address, uint64_t bytes)
{
	struct d3dddi_mapgpuvirtualaddress map = {
	    .paging_queue = gpu->paging, .allocation = allocation, .size_in_pages = bytes / 4096};
	map.protection.write = 1;
	if (OK(gpu->fd, LX_DXMAPGPUVIRTUALADDRESS, &map) == STATUS_PENDING)
		CHECK(reaches(gpu->paging_page, map.paging_fence_value));
	*gpu_address = map.virtual_address;
}

static struct gpu make_gpu(void)
{
	struct gpu gpu = {.fd = open_node(), .event = eventfd(0, EFD_CLOEXEC)};
	gpu.device = make_device(gpu.fd, first_adapter(gpu.fd, NULL));
	struct d3dkmt_createcontextvirtual context = {.device = gpu.device};
	context.flags.hw_queue_supported = 1;
	OK(gpu.fd, LX_DXCREATECONTEXTVIRTUAL, &context);
	gpu.context = context.context;
	struct d3dkmt_createhwqueue queue = {.context = gpu.context};
	OK(gpu.fd, LX_DXCREATEHWQUEUE, &queue);
	gpu.queue = queue.queue;
	gpu.progress = queue.queue_progress_fence;
	gpu.progress_page = queue.queue_progress_fence_cpu_va;
	struct d3dkmt_createpagingqueue paging = {.device = gpu.device};
	OK(gpu.fd, LX_DXCREATEPAGINGQUEUE, &paging);
	gpu.paging = paging.paging_queue;
	gpu.paging_page = paging.fence_cpu_virtual_address;
	struct d3dddi_allocationinfo2 info = {0};
	struct d3dkmt_createallocation create = {.device = gpu.device, .alloc_count = 1, .allocation_info = address(&info)};
	OK(gpu.fd, LX_DXCREATEALLOCATION, &create);
	resident(&gpu, info.allocation, &gpu.commands_at, 65536);
	struct d3dkmt_lock2 lock = {.device = gpu.device, .allocation = info.allocation};
	OK(gpu.fd, LX_DXLOCK2, &lock);
	gpu.commands = (void *)(uintptr_t)lock.data;
	return gpu;
}

/* One packet, and a wait until it is done. */
static void submit(struct gpu *gpu, const uint64_t *words, size_t bytes)
{
	memcpy(gpu->commands, words, bytes);
	struct d3dkmt_submitcommandtohwqueue submission = {.hwqueue = gpu->queue,
							   .hwqueue_progress_fence_id = ++gpu->value,
							   .command_buffer = gpu->commands_at,
							   .command_length = (uint32_t)bytes};
	OK(gpu->fd, LX_DXSUBMITCOMMANDTOHWQUEUE, &submission);
	CHECK(reaches(gpu->progress_page, gpu->value));
}

static void fill(struct gpu *gpu, uint64_t to, uint64_t bytes, uint32_t pattern)
{
	const uint64_t words[] = {0x100000000ull | 0x50475844, 0, 0, 0, 64ull << 32 | 3, 1, 1, 4ull << 32, to, bytes, pattern, 0};
	submit(gpu, words, sizeof words);
}

static void copy(struct gpu *gpu, uint64_t to, uint64_t from, uint64_t bytes)
{
	const uint64_t words[] = {0x100000000ull | 0x50475844, 0, 0, 0, 64ull << 32 | 2, 1, 1, 0, from, to, bytes, 0};
	submit(gpu, words, sizeof words);
}

static int share(int fd, struct d3dkmthandle object)
{
	uint64_t handle = 0;
	struct d3dkmt_shareobjects shared = {
	    .object_count = 1, .objects = address(&object), .shared_handle = address(&handle)};
	OK(fd, LX_DXSHAREOBJECTS, &shared);
	return (int)handle;
}

static int make_sync_file(int fd, struct d3dkmthandle device, struct d3dkmthandle fence, uint64_t value)
{
	struct d3dkmt_createsyncfile create = {.device = device, .monitored_fence = fence, .fence_value = value};
	OK(fd, LX_DXCREATESYNCFILE, &create);
	return (int)create.sync_file_handle;
}

static int readable(int fd, int milliseconds)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	return poll(&ready, 1, milliseconds) == 1 && (ready.revents & POLLIN);
}

struct resource {
	struct d3dkmthandle handle, allocations[3];
	uint32_t *memory[3];
	uint64_t sizes[3];
};

/* Three allocations of one resource: two made with it, one added. */
static struct resource make_resource(struct gpu *gpu)
{
	struct resource made = {.sizes = {BYTES, 4096, BYTES}};
	struct d3dddi_allocationinfo2 infos[3];
	memset(infos, 0, sizeof infos);
	for (int i = 0; i < 3; i++) {
		infos[i].priv_drv_data = address(&made.sizes[i]);
		infos[i].priv_drv_data_size = 8;
	}
	struct d3dkmt_createallocation create = {.device = gpu->device,
						 .alloc_count = 2,
						 .allocation_info = address(infos),
						 .private_runtime_data = address(RUNTIME),
						 .private_runtime_data_size = sizeof RUNTIME,
						 .priv_drv_data = address(RESOURCE),
						 .priv_drv_data_size = sizeof RESOURCE};
	create.flags.create_resource = create.flags.create_shared = create.flags.nt_security_sharing = 1;
	OK(gpu->fd, LX_DXCREATEALLOCATION, &create);
	made.handle = create.resource;
	struct d3dkmt_createallocation more = {
	    .device = gpu->device, .resource = made.handle, .alloc_count = 1, .allocation_info = address(&infos[2])};
	OK(gpu->fd, LX_DXCREATEALLOCATION, &more);
	for (int i = 0; i < 3; i++) {
		made.allocations[i] = infos[i].allocation;
		struct d3dkmt_lock2 lock = {.device = gpu->device, .allocation = infos[i].allocation};
		OK(gpu->fd, LX_DXLOCK2, &lock);
		made.memory[i] = (uint32_t *)(uintptr_t)lock.data;
		CHECK(made.memory[i][0] == 0 && made.memory[i][made.sizes[i] / 4 - 1] == 0);
	}
	return made;
}

struct opened {
	struct d3dkmthandle resource;
	struct d3dddi_openallocationinfo2 allocations[3];
	char runtime[sizeof RUNTIME], own[sizeof RESOURCE];
	uint64_t sizes[3];
};

static int try_open(struct gpu *gpu, int handle, struct opened *opened)
{
	struct d3dkmt_queryresourceinfofromnthandle info = {.device = gpu->device, .nt_handle = (uint64_t)handle};
	if (ioctl(gpu->fd, LX_DXQUERYRESOURCEINFOFROMNTHANDLE, &info) != 0)
		return -1;
	CHECK(info.allocation_count == 3 && info.total_priv_drv_data_size == 24);
	CHECK(info.private_runtime_data_size == sizeof RUNTIME && info.resource_priv_drv_data_size == sizeof RESOURCE);
	struct d3dkmt_openresourcefromnthandle open_it = {.device = gpu->device,
							  .nt_handle = (uint64_t)handle,
							  .allocation_count = 3,
							  .open_alloc_info = address(opened->allocations),
							  .private_runtime_data_size = sizeof RUNTIME,
							  .private_runtime_data = address(opened->runtime),
							  .resource_priv_drv_data_size = sizeof RESOURCE,
							  .resource_priv_drv_data = address(opened->own),
							  .total_priv_drv_data_size = 24,
							  .total_priv_drv_data = address(opened->sizes)};
	OK(gpu->fd, LX_DXOPENRESOURCEFROMNTHANDLE, &open_it);
	CHECK(memcmp(opened->runtime, RUNTIME, sizeof RUNTIME) == 0 && memcmp(opened->own, RESOURCE, sizeof RESOURCE) == 0);
	CHECK(opened->sizes[0] == BYTES && opened->sizes[1] == 4096 && opened->sizes[2] == BYTES);
	/* One too few, or too little room. */
	struct d3dkmt_openresourcefromnthandle wrong = open_it;
	wrong.allocation_count = 2;
	FAILS(gpu->fd, LX_DXOPENRESOURCEFROMNTHANDLE, &wrong, EINVAL);
	wrong = open_it;
	wrong.total_priv_drv_data_size = 23;
	FAILS(gpu->fd, LX_DXOPENRESOURCEFROMNTHANDLE, &wrong, EINVAL);
	opened->resource = open_it.resource;
	return 0;
}

static void destroy_resource(struct gpu *gpu, struct d3dkmthandle resource)
{
	struct d3dkmt_destroyallocation2 destroy = {.device = gpu->device, .resource = resource};
	OK(gpu->fd, LX_DXDESTROYALLOCATION2, &destroy);
}

static uint64_t used(struct gpu *gpu)
{
	struct d3dkmt_queryvideomemoryinfo info = {.adapter = first_adapter(gpu->fd, NULL)};
	OK(gpu->fd, LX_DXQUERYVIDEOMEMORYINFO, &info);
	return info.current_usage;
}

/* The other process: what it finds in the resource, and what it leaves there. */
static int other(int handle, int fence_handle, int sync_file, uint32_t found, uint32_t left)
{
	struct gpu gpu = make_gpu();
	struct opened opened;
	CHECK(try_open(&gpu, handle, &opened) == 0);
	struct d3dkmthandle again = opened.resource;
	/* Open twice in one process: two handles, one memory. And shared again from here. */
	CHECK(try_open(&gpu, handle, &opened) == 0 && again.v != opened.resource.v);
	int shared_again = share(gpu.fd, again);
	destroy_resource(&gpu, again);
	struct opened third;
	CHECK(try_open(&gpu, shared_again, &third) == 0);
	destroy_resource(&gpu, third.resource);
	CHECK(close(shared_again) == 0);
	/* A sync file of the fence is not readable yet; a queue that waits for it stays behind it. */
	struct d3dkmt_waitsyncfile wait = {.sync_file_handle = (uint64_t)sync_file, .context = gpu.context};
	CHECK(!readable(sync_file, 0));
	OK(gpu.fd, LX_DXWAITSYNCFILE, &wait);
	struct d3dkmt_signalsynchronizationobjectfromgpu2 arm = {
	    .context_count = 1, .contexts = address(&gpu.context), .cpu_event_handle = (uint64_t)gpu.event};
	arm.flags.enqueue_cpu_event = 1;
	OK(gpu.fd, LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &arm);
	CHECK(fired(gpu.event, 50) == 0);
	/* Opened from the sync file, it is the fence, with the value that the file is about. */
	struct d3dkmt_opensyncobjectfromsyncfile open_file = {.sync_file_handle = (uint64_t)sync_file, .device = gpu.device};
	OK(gpu.fd, LX_DXOPENSYNCOBJECTFROMSYNCFILE, &open_file);
	CHECK(open_file.fence_value == 7 && open_file.syncobj.v && fence_at(open_file.fence_value_cpu_va) == 3);
	struct d3dkmt_opensyncobjectfromnthandle2 open_fence = {.nt_handle = (uint64_t)fence_handle, .device = gpu.device};
	OK(gpu.fd, LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &open_fence);
	CHECK(fence_at(open_fence.monitored_fence.fence_value_cpu_va) == 3);
	/* What the GPU of this process writes is what the first one reads. */
	uint64_t at;
	resident(&gpu, opened.allocations[0].allocation, &at, BYTES);
	fill(&gpu, at + BYTES - 8, 4, found + 1);
	fill(&gpu, at, 4096, left);
	uint64_t last;
	resident(&gpu, opened.allocations[2].allocation, &last, BYTES);
	fill(&gpu, last + BYTES - 4096, 4096, left + 1);
	signal_cpu(gpu.fd, gpu.device, open_fence.sync_object, 7);
	CHECK(fired(gpu.event, PATIENCE_MS) == 1 && readable(sync_file, PATIENCE_MS));
	/* After the signal it can be opened, too, and waits for nothing. */
	OK(gpu.fd, LX_DXWAITSYNCFILE, &wait);
	/* Everything here ends with the process; the first one's memory does not. */
	destroy_resource(&gpu, opened.resource);
	CHECK(close(gpu.fd) == 0);
	return 0;
}

static int ended(pid_t child)
{
	int status = 0;
	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void send_all(int socket, const int *files, size_t count)
{
	char byte = 1, room[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), files, count * sizeof(int));
	CHECK(sendmsg(socket, &message, 0) == 1);
}

static void receive_all(int socket, int *files, size_t count)
{
	char byte, room[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	CHECK(recvmsg(socket, &message, 0) == 1);
	memcpy(files, CMSG_DATA(CMSG_FIRSTHDR(&message)), count * sizeof(int));
}

/* A sync file of a fence that was not created to be shared can be watched by others, and no more: both calls succeed and do
 * nothing. */
static void not_shared(void)
{
	struct gpu gpu = make_gpu();
	struct fence fence = make_fence(gpu.fd, gpu.device, 0, 0);
	int file = make_sync_file(gpu.fd, gpu.device, fence.handle, 1), ends[2];
	CHECK(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0) {
		struct gpu own = make_gpu();
		struct d3dkmt_waitsyncfile wait = {.sync_file_handle = (uint64_t)file, .context = own.context};
		OK(own.fd, LX_DXWAITSYNCFILE, &wait);
		struct d3dkmt_opensyncobjectfromsyncfile open_file = {.sync_file_handle = (uint64_t)file, .device = own.device};
		OK(own.fd, LX_DXOPENSYNCOBJECTFROMSYNCFILE, &open_file);
		CHECK(open_file.syncobj.v == 0 && !readable(file, 0) && close(ends[1]) == 0 && readable(file, PATIENCE_MS));
		_exit(0);
	}
	char byte;
	CHECK(close(ends[1]) == 0 && read(ends[0], &byte, 1) == 0);
	signal_cpu(gpu.fd, gpu.device, fence.handle, 1);
	CHECK(ended(child) == 0 && close(file) == 0 && close(ends[0]) == 0 && close(gpu.fd) == 0 && close(gpu.event) == 0);
}

enum how { FORKED, STARTED, SENT };

/* In every way a descriptor can come to another process. */
static void across(enum how how)
{
	struct gpu gpu = make_gpu();
	uint64_t before = used(&gpu);
	struct resource made = make_resource(&gpu);
	CHECK(used(&gpu) >= before + 2 * BYTES + 4096);
	made.memory[0][BYTES / 4 - 1] = 41;
	struct fence fence = make_fence(gpu.fd, gpu.device, 3, 1);
	int files[3] = {share(gpu.fd, made.handle), share(gpu.fd, fence.handle),
			make_sync_file(gpu.fd, gpu.device, fence.handle, 7)};
	for (int i = 0; i < 3; i++)
		CHECK(fcntl(files[i], F_GETFD) == FD_CLOEXEC);
	/* In the process that made it, it is a second handle of the same memory. */
	struct opened opened;
	CHECK(try_open(&gpu, files[0], &opened) == 0);
	uint64_t at;
	resident(&gpu, opened.allocations[1].allocation, &at, 4096);
	fill(&gpu, at, 4096, 17);
	CHECK(made.memory[1][1023] == 17);
	wait_cpu(gpu.fd, gpu.device, fence.handle, 7, gpu.event);
	int ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	pid_t child = fork();
	if (child == 0 && how == FORKED)
		_exit(other(files[0], files[1], files[2], 41, 1000));
	if (child == 0) {
		char numbers[4][16];
		for (int i = 0; i < 3; i++) {
			if (how == STARTED)
				CHECK(fcntl(files[i], F_SETFD, 0) == 0);
			snprintf(numbers[i], sizeof numbers[i], "%d", how == STARTED ? files[i] : -1);
		}
		snprintf(numbers[3], sizeof numbers[3], "%d", ends[1]);
		execl(self, self, numbers[0], numbers[1], numbers[2], numbers[3], (char *)NULL);
		_exit(2);
	}
	if (how == SENT)
		send_all(ends[0], files, 3);
	CHECK(ended(child) == 0);
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
	CHECK(made.memory[0][0] == 1000 && made.memory[0][1023] == 1000 && made.memory[0][1024] == 0);
	CHECK(made.memory[0][BYTES / 4 - 2] == 42 && made.memory[0][BYTES / 4 - 1] == 41);
	CHECK(made.memory[2][BYTES / 4 - 1] == 1001 && made.memory[2][0] == 0 && made.memory[1][0] == 17);
	/* Who waits here is woken, and the sync file is readable here, too. */
	CHECK(fired(gpu.event, PATIENCE_MS) == 1 && fence_at(fence.page) == 7 && readable(files[2], PATIENCE_MS));
	destroy_resource(&gpu, opened.resource);
	destroy_resource(&gpu, made.handle);
	for (int i = 0; i < 3; i++)
		CHECK(close(files[i]) == 0);
	destroy_fence(gpu.fd, fence);
	/* Nothing stays behind: the next shared resource makes room for itself. */
	destroy_resource(&gpu, make_resource(&gpu).handle);
	CHECK(used(&gpu) == before);
	CHECK(close(gpu.fd) == 0 && close(gpu.event) == 0);
}

/* The process that made it has ended: the memory is there as long as somebody has the descriptor. */
static void outlived(void)
{
	int ends[2], files[3];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	pid_t child = fork();
	if (child == 0) {
		struct gpu gpu = make_gpu();
		struct resource made = make_resource(&gpu);
		made.memory[2][5] = 99;
		struct fence fence = make_fence(gpu.fd, gpu.device, 3, 1);
		int all[3] = {share(gpu.fd, made.handle), share(gpu.fd, fence.handle),
			      make_sync_file(gpu.fd, gpu.device, fence.handle, 8)};
		signal_cpu(gpu.fd, gpu.device, fence.handle, 8);
		CHECK(readable(all[2], PATIENCE_MS));
		send_all(ends[1], all, 3);
		_exit(0);
	}
	receive_all(ends[0], files, 3);
	CHECK(ended(child) == 0);
	struct gpu gpu = make_gpu();
	struct opened opened;
	CHECK(try_open(&gpu, files[0], &opened) == 0);
	/* What the other one wrote, copied here by the GPU of this process. */
	uint64_t at;
	resident(&gpu, opened.allocations[2].allocation, &at, BYTES);
	copy(&gpu, gpu.commands_at + 4096, at + 20, 4);
	CHECK(((uint32_t *)gpu.commands)[1024] == 99);
	struct d3dkmt_opensyncobjectfromsyncfile open_file = {.sync_file_handle = (uint64_t)files[2], .device = gpu.device};
	OK(gpu.fd, LX_DXOPENSYNCOBJECTFROMSYNCFILE, &open_file);
	CHECK(open_file.fence_value == 8 && fence_at(open_file.fence_value_cpu_va) == 8);
	for (int i = 0; i < 3; i++)
		CHECK(close(files[i]) == 0);
	CHECK(close(ends[0]) == 0 && close(ends[1]) == 0 && close(gpu.fd) == 0 && close(gpu.event) == 0);
}

static void refused(struct gpu *gpu, int fd)
{
	struct d3dkmt_queryresourceinfofromnthandle info = {.device = gpu->device, .nt_handle = (uint64_t)fd};
	FAILS(gpu->fd, LX_DXQUERYRESOURCEINFOFROMNTHANDLE, &info, EINVAL);
	struct d3dkmt_openresourcefromnthandle resource = {.device = gpu->device, .nt_handle = (uint64_t)fd};
	FAILS(gpu->fd, LX_DXOPENRESOURCEFROMNTHANDLE, &resource, EINVAL);
	struct d3dkmt_opensyncobjectfromnthandle2 fence = {.device = gpu->device, .nt_handle = (uint64_t)fd};
	FAILS(gpu->fd, LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &fence, EINVAL);
	struct d3dkmt_opensyncobjectfromsyncfile file = {.device = gpu->device, .sync_file_handle = (uint64_t)fd};
	FAILS(gpu->fd, LX_DXOPENSYNCOBJECTFROMSYNCFILE, &file, EINVAL);
	struct d3dkmt_waitsyncfile wait = {.context = gpu->context, .sync_file_handle = (uint64_t)fd};
	FAILS(gpu->fd, LX_DXWAITSYNCFILE, &wait, EINVAL);
}

static int memory_file(const char *name, off_t bytes, int seals)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, bytes) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

/* A socket in which this message waits. */
static int with_message(const char *text, const int *files, size_t count)
{
	int ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	char room[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct iovec data = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	if (count) {
		message.msg_control = room;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), files, count * sizeof(int));
	}
	CHECK(sendmsg(ends[0], &message, 0) == (ssize_t)strlen(text));
	close(ends[0]);
	return ends[1];
}

static void refused_and_closed(struct gpu *gpu, int fd)
{
	refused(gpu, fd);
	CHECK(close(fd) == 0);
}

/* Descriptors that only look like shares. Nothing is believed, and memory that can be taken away is not mapped. */
static void look_alikes(void)
{
	struct gpu gpu = make_gpu();
	int ends[2];
	CHECK(pipe(ends) == 0 && close(ends[1]) == 0);
	refused_and_closed(&gpu, ends[0]);
	refused_and_closed(&gpu, open("/dev/null", O_RDWR));
	refused_and_closed(&gpu, socket(AF_INET, SOCK_STREAM, 0));
	refused_and_closed(&gpu, socket(AF_UNIX, SOCK_STREAM, 0));
	refused_and_closed(&gpu, memory_file("dxg-shared-fence", 4096, 0));
	refused_and_closed(&gpu, memory_file("dxg-shared-fence", 8192, F_SEAL_SHRINK));
	refused_and_closed(&gpu, with_message("d", NULL, 0));
	refused_and_closed(&gpu, with_message("dxg-res1", NULL, 0));
	/* Records that end too early, name memory that is not there or goes on forever, or can be changed. */
	struct record {
		uint64_t runtime, own, count, size, index, offset, length, data;
	} record[] = {
	    {0, 0, 1, 4096, 0, 0, 4096, 0},
	    {1ull << 40, 0, 1, 4096, 0, 0, 4096, 0},
	    {0, 0, 2, 4096, 0, 0, 4096, 0},
	    {0, 0, UINT64_MAX, 4096, 0, 0, 4096, 0},
	    {0, 0, 1, 4096, 1, 0, 4096, 0},
	    {0, 0, 1, 4096, 0, 4096, 4096, 0},
	    {0, 0, 1, 4096, 0, UINT64_MAX - 4095, 8192, 0},
	    {0, 0, 1, 4096, 0, 0, 4096, 1},
	    {0, 0, 1, 4097, 0, 0, 4096, 0},
	};
	for (size_t i = 0; i < sizeof record / sizeof *record; i++) {
		for (int seals = 0; seals < 4; seals++) {
			int files[2] = {memory_file("record", 0, 0), memory_file("memory", 4096, seals & 1 ? F_SEAL_SHRINK : 0)};
			CHECK(pwrite(files[0], &record[i], sizeof *record, 0) == sizeof *record);
			CHECK(fcntl(files[0], F_ADD_SEALS, seals & 2 ? F_SEAL_SHRINK : 0) == 0);
			int fd = with_message("dxg-res1", files, 2);
			struct d3dkmt_queryresourceinfofromnthandle info = {.device = gpu.device, .nt_handle = (uint64_t)fd};
			/* The first is as a resource should be. */
			int good = i == 0 && seals == 3;
			CHECK((ioctl(gpu.fd, LX_DXQUERYRESOURCEINFOFROMNTHANDLE, &info) == 0) == good);
			CHECK(!good || info.allocation_count == 1);
			close(fd);
			close(files[0]);
			close(files[1]);
		}
	}
	/* What is shared cannot be taken away, neither from this process nor from others. */
	struct fence fence = make_fence(gpu.fd, gpu.device, 3, 1);
	int handle = share(gpu.fd, fence.handle);
	CHECK(ftruncate(handle, 0) == -1 && errno == EPERM && fence_at(fence.page) == 3);
	signal_cpu(gpu.fd, gpu.device, fence.handle, 4);
	CHECK(reaches(fence.page, 4) && close(handle) == 0 && close(gpu.fd) == 0 && close(gpu.event) == 0);
}

int main(int count, char **arguments)
{
	self = arguments[0];
	alarm(100);
	if (count == 5) {
		int files[3] = {atoi(arguments[1]), atoi(arguments[2]), atoi(arguments[3])};
		if (files[0] < 0)
			receive_all(atoi(arguments[4]), files, 3);
		return other(files[0], files[1], files[2], 41, 1000);
	}
	across(FORKED);
	across(STARTED);
	across(SENT);
	outlived();
	not_shared();
	look_alikes();
	printf("sharing: all as it should be\n");
	return 0;
}
