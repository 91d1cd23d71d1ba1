/*
 * Hostile calls: any request with any words as its argument, handles of live objects, good and bad pointers among them. The
 * program survives and the node still works; that is all that is asked. Arguments: a seed, and how many calls.
 */
#include "check.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define WORDS 202

static uint64_t state;

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

static uint32_t handles[16];
static uint64_t buffer[512];

static struct d3dkmthandle furnish(int fd)
{
	struct d3dkmthandle adapter = first_adapter(fd, NULL), device = make_device(fd, adapter);
	struct d3dkmt_createcontextvirtual context = {.device = device};
	context.flags.hw_queue_supported = 1;
	OK(fd, LX_DXCREATECONTEXTVIRTUAL, &context);
	struct d3dkmt_createhwqueue queue = {.context = context.context};
	OK(fd, LX_DXCREATEHWQUEUE, &queue);
	struct d3dkmt_createpagingqueue paging = {.device = device};
	OK(fd, LX_DXCREATEPAGINGQUEUE, &paging);
	struct fence fence = make_fence(fd, device, 0, 0);
	uint64_t size = 65536;
	struct d3dddi_allocationinfo2 info = {.priv_drv_data = address(&size), .priv_drv_data_size = sizeof size};
	struct d3dkmt_createallocation allocation = {.device = device, .alloc_count = 1, .allocation_info = address(&info)};
	OK(fd, LX_DXCREATEALLOCATION, &allocation);
	const uint32_t all[] = {adapter.v, device.v, context.context.v, queue.queue.v, queue.queue_progress_fence.v,
				paging.paging_queue.v, paging.sync_object.v, fence.handle.v, info.allocation.v};
	memcpy(handles, all, sizeof all);
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

int main(int count, char **arguments)
{
	CHECK(count == 3);
	state = strtoull(arguments[1], NULL, 0) * 0x9e3779b97f4a7c15ull | 1;
	int calls = atoi(arguments[2]);
	alarm(120);
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	CHECK(mprotect(pages, 4096, PROT_READ) == 0 && mprotect(pages + 2 * 4096, 4096, PROT_NONE) == 0);
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
