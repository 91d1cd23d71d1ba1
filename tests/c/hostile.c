/*
 * Hostile calls: any request with any words as its argument, handles of live objects, good and bad pointers among them. The
 * program survives and the node still works; that is all that is asked. Arguments: a seed, how many calls,
 * and perhaps how many threads make so many each. They then also fork, open and close the node, and pass descriptors that are
 * shares, or are not.
 */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WORDS 202

static _Thread_local uint64_t state;

static uint64_t random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static const unsigned long requests[] = {
#define REQUEST(request, argument) request,
    DXG_EACH_REQUEST(REQUEST)
#undef REQUEST
};
#define REQUESTS (sizeof requests / sizeof *requests)

static _Thread_local uint32_t handles[16];
/* Lists and answers: a page, with room behind it for what is too long, and then nothing. */
static _Thread_local uint64_t *buffer;

/* Objects to name in hostile calls; 0 if one of them was taken away while they were made. */
static int furnish_once(int fd, struct d3dkmthandle *device)
{
	struct d3dkmt_adapterinfo list[8];
	struct d3dkmt_enumadapters2 enumeration = {.num_adapters = 8, .adapters = address(list)};
	OK(fd, LX_DXENUMADAPTERS2, &enumeration);
	struct d3dkmthandle adapter = list[0].adapter_handle;
	struct d3dkmt_createdevice made = {.adapter = adapter};
	if (ioctl(fd, LX_DXCREATEDEVICE, &made) < 0)
		return 0;
	*device = made.device;
	struct d3dkmt_createcontextvirtual context = {.device = *device};
	context.flags.hw_queue_supported = 1;
	if (ioctl(fd, LX_DXCREATECONTEXTVIRTUAL, &context) < 0)
		return 0;
	struct d3dkmt_createhwqueue queue = {.context = context.context};
	if (ioctl(fd, LX_DXCREATEHWQUEUE, &queue) < 0)
		return 0;
	struct d3dkmt_createpagingqueue paging = {.device = *device};
	if (ioctl(fd, LX_DXCREATEPAGINGQUEUE, &paging) < 0)
		return 0;
	struct d3dkmt_createsynchronizationobject2 fence = {.device = *device};
	fence.info.type = _D3DDDI_MONITORED_FENCE;
	if (ioctl(fd, LX_DXCREATESYNCHRONIZATIONOBJECT, &fence) < 0)
		return 0;
	uint64_t size = 65536;
	struct d3dddi_allocationinfo2 info = {.priv_drv_data = address(&size), .priv_drv_data_size = sizeof size};
	struct d3dkmt_createallocation allocation = {
	    .device = *device, .alloc_count = 1, .allocation_info = address(&info)};
	if (ioctl(fd, LX_DXCREATEALLOCATION, &allocation) < 0)
		return 0;
	const uint32_t all[] = {adapter.v, device->v, context.context.v, queue.queue.v, queue.queue_progress_fence.v,
				paging.paging_queue.v, paging.sync_object.v, fence.sync_object.v, info.allocation.v};
	memcpy(handles, all, sizeof all);
	return 1;
}

static struct d3dkmthandle furnish(int fd)
{
	struct d3dkmthandle device = {0};
	/* Another thread may name a handle that was its own once, and hit what is being made here. */
	int attempts = 20;
	while (!furnish_once(fd, &device))
		CHECK(errno == EINVAL && attempts-- > 0);
	if (!buffer) {
		char *room = mmap(NULL, 17 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(room != MAP_FAILED && mprotect(room + 16 * 4096, 4096, PROT_NONE) == 0);
		buffer = (uint64_t *)(void *)room;
	}
	for (int i = 0; i < 64; i++)
		buffer[i] = handles[i % 10] | (uint64_t)handles[(i + 1) % 10] << 32;
	return device;
}

static uint64_t bad_pointer(uint64_t dice, const char *read_only, const char *nothing)
{
	switch (dice % 6) {
	case 0: return 0;
	case 1: return 0x1000;
	case 2: return UINT64_MAX - dice % 64;
	case 3: return address(read_only) + dice % 4096;
	case 4: return address(nothing) + dice % 4096;
	default: return 0x7fffffffe000 + dice % 8192;
	}
}

static void disturb(int fd, const char *read_only, char *nothing)
{
	uint32_t words[WORDS];
	for (int at = 0; at < WORDS;) {
		uint64_t dice = random_word(), kind = dice >> 32 & 15;
		uint64_t value;
		if (kind < 2)
			value = random_word() & UINT32_MAX;
		else if (kind < 7)
			value = dice % 40;
		else if (kind < 12)
			value = handles[dice % 16];
		else if (at % 2 == 1)
			value = 0;
		else
			value = kind < 15 ? address(buffer) + dice % 2048 : bad_pointer(dice, read_only, nothing);
		words[at++] = (uint32_t)value;
		if (kind >= 12 && at % 2 == 1 && at < WORDS)
			words[at++] = (uint32_t)(value >> 32);
	}
	unsigned long request = requests[random_word() % REQUESTS];
	/* Without an eventfd a wait that is never satisfied blocks for good, as it should. */
	if (request == LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU && !words[6] && !words[7])
		words[6] = 1;
	void *argument = words;
	uint64_t dice = random_word();
	if (dice % 16 == 0)
		argument = (void *)(uintptr_t)bad_pointer(dice >> 8, read_only, nothing);
	/* Half behind the end of what is mapped. */
	if (dice % 16 == 1)
		argument = memcpy(nothing - 8, words, 8);
	errno = 0;
	int ret = ioctl(fd, request, argument);
	CHECK(ret != -1 || errno != 0);
}

static void works(int fd, struct d3dkmthandle *device)
{
	/* The device may have been destroyed on the way. */
	*device = make_device(fd, first_adapter(fd, NULL));
	struct fence fence = make_fence(fd, *device, 0, 0);
	signal_cpu(fd, *device, fence.handle, 3);
	CHECK(reaches(fence.page, 3));
	destroy_fence(fd, fence);
}

static uint64_t seed;
static int calls;

static char *make_pages(void)
{
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	CHECK(mprotect(pages, 4096, PROT_READ) == 0 && mprotect(pages + 2 * 4096, 4096, PROT_NONE) == 0);
	return pages;
}

/* The child of a fork, made while other threads are in the middle of their calls: what it inherits answers nothing, what it
 * opens itself works, and it is hostile, too. */
static void child(int inherited)
{
	pid_t process = fork();
	if (process != 0) {
		int status;
		CHECK(process > 0 && waitpid(process, &status, 0) == process && status == 0);
		return;
	}
	alarm(100);
	struct d3dkmt_enumadapters2 count = {0};
	FAILS(inherited, LX_DXENUMADAPTERS2, &count, ENOTTY);
	int fd = open_node();
	struct d3dkmthandle device = furnish(fd);
	char *pages = make_pages();
	for (int i = 0; i < 50; i++)
		disturb(fd, pages, pages + 2 * 4096);
	works(fd, &device);
	_exit(0);
}

/* A descriptor that is a share, or is not. */
static int some_descriptor(int fd)
{
	int ends[2];
	switch (random_word() % 5) {
	case 0: return memfd_create("dxg-shared-fence", 0);
	case 1:
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		CHECK(write(ends[0], "dxg-res1", 8) == 8 && close(ends[0]) == 0);
		return ends[1];
	case 2: return open("/dev/null", O_RDWR);
	case 3: return open_node();
	default: break;
	}
	struct d3dkmt_createsynchronizationobject2 fence = {.device = {.v = handles[1]}};
	fence.info.type = _D3DDDI_MONITORED_FENCE;
	fence.info.flags.shared = fence.info.flags.nt_security_sharing = 1;
	uint64_t handle = 0;
	struct d3dkmt_shareobjects share = {
	    .object_count = 1, .objects = address(&fence.sync_object), .shared_handle = address(&handle)};
	/* The device may be gone. */
	if (ioctl(fd, LX_DXCREATESYNCHRONIZATIONOBJECT, &fence) < 0 || ioctl(fd, LX_DXSHAREOBJECTS, &share) < 0)
		return eventfd(0, 0);
	CHECK(ftruncate((int)handle, 0) == -1);
	return (int)handle;
}

static void *in_a_thread(void *number)
{
	state = (seed + (uintptr_t)number) * 0x9e3779b97f4a7c15ull | 1;
	char *pages = make_pages();
	int fd = open_node();
	furnish(fd);
	for (int i = 0; i < calls; i++) {
		disturb(fd, pages, pages + 2 * 4096);
		if (i % 64 == 63)
			furnish(fd);
		if (i % 128 == 100) {
			int other = some_descriptor(fd);
			CHECK(other >= 0);
			uint32_t before = handles[15];
			handles[15] = (uint32_t)other;
			for (int more = 0; more < 32; more++)
				disturb(fd, pages, pages + 2 * 4096);
			handles[15] = before;
			close(other);
		}
		if (i % 256 == 200) {
			child(fd);
			CHECK(close(fd) == 0);
			fd = open_node();
			furnish(fd);
		}
	}
	CHECK(close(fd) == 0);
	return NULL;
}

static int together(int threads)
{
	pthread_t all[16];
	CHECK(threads > 0 && threads <= 16);
	for (int i = 0; i < threads; i++)
		CHECK(pthread_create(&all[i], NULL, in_a_thread, (void *)(uintptr_t)i) == 0);
	for (int i = 0; i < threads; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
	int fd = open_node();
	struct d3dkmthandle device;
	works(fd, &device);
	CHECK(close(fd) == 0);
	printf("hostile: %d calls of %d threads survived\n", calls, threads);
	return 0;
}

int main(int count, char **arguments)
{
	CHECK(count == 3 || count == 4);
	seed = strtoull(arguments[1], NULL, 0);
	state = seed * 0x9e3779b97f4a7c15ull | 1;
	calls = atoi(arguments[2]);
	alarm(count == 4 ? 600 : 120);
	if (count == 4)
		return together(atoi(arguments[3]));
	char *pages = make_pages();
	int fd = open_node();
	struct d3dkmthandle device = furnish(fd);
	for (int i = 0; i < calls; i++) {
		disturb(fd, pages, pages + 2 * 4096);
		if (i % 64 == 63 && ioctl(fd, LX_DXENUMADAPTERS2, &(struct d3dkmt_enumadapters2){0}) == 0) {
			/* New objects in place of those that were destroyed. */
			device = furnish(fd);
		}
	}
	works(fd, &device);
	CHECK(close(fd) == 0);
	printf("hostile: %d calls survived\n", calls);
	return 0;
}
