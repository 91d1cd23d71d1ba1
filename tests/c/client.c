/*
 * What a compute driver does with /dev/dxg, from enumeration to teardown, written against the interface in dxg.h alone. It
 * knows nothing of what stands behind the node, except for the format of its commands, as a driver knows its GPU's.
 */
#include "check.h"

#define BYTES 65536
#define SUBMISSIONS 64

struct memory {
	struct d3dkmthandle allocation;
	uint64_t gpu;
	void *cpu;
};

static int fd;
static struct d3dkmthandle adapter, device, context, queue, waiter, paging_queue, paging_fence, progress;
static uint64_t paging_page, progress_page;
static int event;

static void enumerate(void)
{
	struct d3dkmt_enumadapters2 count = {0};
	OK(fd, LX_DXENUMADAPTERS2, &count);
	CHECK(count.num_adapters >= 1);
	struct d3dkmt_enumadapters3 count3 = {0};
	OK(fd, LX_DXENUMADAPTERS3, &count3);
	CHECK(count3.adapter_count == count.num_adapters);
	struct winluid luid;
	struct d3dkmthandle first = first_adapter(fd, &luid);
	struct d3dkmt_openadapterfromluid by_luid = {.adapter_luid = luid};
	OK(fd, LX_DXOPENADAPTERFROMLUID, &by_luid);
	CHECK(by_luid.adapter_handle.v && by_luid.adapter_handle.v != first.v);
	struct d3dkmt_closeadapter close_first = {.adapter_handle = first};
	OK(fd, LX_DXCLOSEADAPTER, &close_first);
	adapter = by_luid.adapter_handle;
}

static void ask(uint32_t type, void *data, uint32_t size)
{
	struct d3dkmt_queryadapterinfo query = {
	    .adapter = adapter, .type = type, .private_data = address(data), .private_data_size = size};
	OK(fd, LX_DXQUERYADAPTERINFO, &query);
}

static void questions(void)
{
	struct d3dkmt_adaptertype type = {0};
	ask(KMTQAITYPE_ADAPTERTYPE, &type, sizeof type);
	CHECK(type.paravirtualized && type.render_supported);
	uint16_t description[4096] = {0};
	ask(KMTQAITYPE_DRIVER_DESCRIPTION, description, sizeof description);
	CHECK(description[0]);
	uint32_t ids[7] = {0};
	ask(KMTQAITYPE_PHYSICALADAPTERDEVICEIDS, ids, sizeof ids);
	CHECK(ids[1] && ids[2]);
	uint32_t wddm = 0, scheduling = 0;
	ask(KMTQAITYPE_DRIVERVERSION, &wddm, sizeof wddm);
	ask(KMTQAITYPE_WDDM_2_7_CAPS, &scheduling, sizeof scheduling);
	CHECK(wddm >= 2700 && (scheduling & 3) == 3);
	uint32_t node[20] = {0};
	ask(KMTQAITYPE_NODEMETADATA, node, sizeof node);
	CHECK(node[1] == 1);
	uint64_t segments[3] = {0};
	ask(KMTQAITYPE_GETSEGMENTSIZE, segments, sizeof segments);
	CHECK(segments[0] >= BYTES);
	uint16_t driver[262] = {1};
	ask(KMTQAITYPE_UMDRIVERNAME, driver, sizeof driver);
	CHECK(driver[2] == 0);
	struct d3dkmt_queryvideomemoryinfo budget = {.adapter = adapter};
	OK(fd, LX_DXQUERYVIDEOMEMORYINFO, &budget);
	CHECK(budget.budget > 0);
}

static struct d3dkmthandle make_context(int hardware_queues)
{
	struct d3dkmt_createcontextvirtual create = {.device = device};
	create.flags.hw_queue_supported = hardware_queues;
	OK(fd, LX_DXCREATECONTEXTVIRTUAL, &create);
	return create.context;
}

static void queues(void)
{
	device = make_device(fd, adapter);
	context = make_context(1);
	waiter = make_context(0);
	struct d3dkmt_createhwqueue create = {.context = context};
	OK(fd, LX_DXCREATEHWQUEUE, &create);
	queue = create.queue;
	progress = create.queue_progress_fence;
	progress_page = create.queue_progress_fence_cpu_va;
	struct d3dkmt_createpagingqueue paging = {.device = device};
	OK(fd, LX_DXCREATEPAGINGQUEUE, &paging);
	paging_queue = paging.paging_queue;
	paging_fence = paging.sync_object;
	paging_page = paging.fence_cpu_virtual_address;
	CHECK(fence_at(progress_page) == 0);
}

/* Paging is done when its fence says so: asleep on an eventfd until then. */
static void paged(int status, uint64_t value)
{
	if (status != STATUS_PENDING)
		return;
	wait_cpu(fd, device, paging_fence, value, event);
	CHECK(fired(event, PATIENCE_MS) == 1 && fence_at(paging_page) >= value);
}

static void place(struct memory *memory)
{
	struct d3dddi_makeresident resident = {
	    .paging_queue = paging_queue, .alloc_count = 1, .allocation_list = address(&memory->allocation)};
	int status = OK(fd, LX_DXMAKERESIDENT, &resident);
	paged(status, resident.paging_fence_value);
	struct d3dddi_mapgpuvirtualaddress map = {
	    .paging_queue = paging_queue, .allocation = memory->allocation, .size_in_pages = BYTES / 4096};
	map.protection.write = 1;
	status = OK(fd, LX_DXMAPGPUVIRTUALADDRESS, &map);
	paged(status, map.paging_fence_value);
	memory->gpu = map.virtual_address;
	CHECK(memory->gpu);
}

/* Memory of this program, which the GPU uses in place. */
static struct memory from_system(void)
{
	struct memory memory = {.cpu = aligned_alloc(4096, BYTES)};
	CHECK(memory.cpu);
	memset(memory.cpu, 0, BYTES);
	struct d3dkmt_createstandardallocation standard = {.type = _D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP,
							   .existing_heap_data = {.size = BYTES}};
	struct d3dddi_allocationinfo2 info = {.sysmem = address(memory.cpu)};
	struct d3dkmt_createallocation create = {.device = device,
						 .alloc_count = 1,
						 .allocation_info = address(&info),
						 .standard_allocation = address(&standard)};
	create.flags.standard_allocation = 1;
	create.flags.existing_sysmem = 1;
	OK(fd, LX_DXCREATEALLOCATION, &create);
	memory.allocation = info.allocation;
	place(&memory);
	return memory;
}

/* Memory of the GPU, described by private data as this GPU's driver does: its size. */
static struct memory from_video(void)
{
	struct memory memory = {0};
	uint64_t size = BYTES;
	struct d3dddi_allocationinfo2 info = {.priv_drv_data = address(&size), .priv_drv_data_size = sizeof size};
	struct d3dkmt_createallocation create = {.device = device, .alloc_count = 1, .allocation_info = address(&info)};
	OK(fd, LX_DXCREATEALLOCATION, &create);
	memory.allocation = info.allocation;
	place(&memory);
	struct d3dkmt_lock2 lock = {.device = device, .allocation = memory.allocation};
	OK(fd, LX_DXLOCK2, &lock);
	memory.cpu = (void *)(uintptr_t)lock.data;
	return memory;
}

/* A command buffer of this GPU: a header, and one packet that fills memory with a 4-byte pattern. */
static uint32_t fill(void *buffer, uint64_t to, uint64_t bytes, uint32_t pattern)
{
	const uint64_t words[] = {0x100000000ull | 0x50475844, 0, 0, 0, 64ull << 32 | 3, 1, 1, 4ull << 32, to, bytes, pattern, 0};
	memcpy(buffer, words, sizeof words);
	return sizeof words;
}

static void submit(uint64_t commands, uint32_t length, uint64_t value)
{
	struct d3dkmt_submitcommandtohwqueue submission = {
	    .hwqueue = queue, .hwqueue_progress_fence_id = value, .command_buffer = commands, .command_length = length};
	OK(fd, LX_DXSUBMITCOMMANDTOHWQUEUE, &submission);
}

static void filled(const struct memory *memory, uint64_t bytes, uint32_t pattern)
{
	for (uint64_t i = 0; i < bytes / 4; i++)
		CHECK(((const uint32_t *)memory->cpu)[i] == pattern);
}

static void work(const struct memory *commands, const struct memory *data)
{
	/* One submission, and a wait for its fence by an eventfd. */
	submit(commands->gpu, fill(commands->cpu, data->gpu, BYTES, 0x5a5a5a5a), 1);
	wait_cpu(fd, device, progress, 1, event);
	CHECK(fired(event, PATIENCE_MS) == 1 && fence_at(progress_page) == 1);
	filled(data, BYTES, 0x5a5a5a5a);

	/* Many, each with a part of its own, and one sleep for all of them: armed by posted messages, where the host has them. */
	for (uint32_t i = 0; i < SUBMISSIONS; i++) {
		char *place_of = (char *)commands->cpu + 128 * i;
		uint32_t length = fill(place_of, data->gpu + 1024 * i, 1024, i);
		submit(commands->gpu + 128 * i, length, 2 + i);
	}
	uint64_t last = 1 + SUBMISSIONS;
	struct d3dkmt_waitforsynchronizationobjectfromgpu wait = {
	    .context = waiter, .object_count = 1, .objects = address(&progress), .monitored_fence_values = address(&last)};
	OK(fd, LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU, &wait);
	struct d3dkmt_signalsynchronizationobjectfromgpu2 signal = {
	    .context_count = 1, .contexts = address(&waiter), .cpu_event_handle = (uint64_t)event};
	signal.flags.enqueue_cpu_event = 1;
	OK(fd, LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2, &signal);
	CHECK(fired(event, PATIENCE_MS) == 1 && fence_at(progress_page) == last);
	for (uint32_t i = 0; i < SUBMISSIONS; i++)
		CHECK(((const uint32_t *)data->cpu)[256 * i] == i && ((const uint32_t *)data->cpu)[256 * i + 255] == i);
}

static void share(void)
{
	struct fence fence = make_fence(fd, device, 5, 1);
	uint64_t handle = 0;
	struct d3dkmt_shareobjects shared = {
	    .object_count = 1, .objects = address(&fence.handle), .shared_handle = address(&handle)};
	OK(fd, LX_DXSHAREOBJECTS, &shared);
	CHECK(fcntl((int)handle, F_GETFD) == FD_CLOEXEC);
	struct d3dkmt_opensyncobjectfromnthandle2 open_shared = {.nt_handle = handle, .device = device};
	OK(fd, LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &open_shared);
	struct fence opened = {open_shared.sync_object, open_shared.monitored_fence.fence_value_cpu_va};
	CHECK(fence_at(opened.page) == 5);
	signal_cpu(fd, device, opened.handle, 6);
	CHECK(reaches(fence.page, 6));
	CHECK(close((int)handle) == 0);
	destroy_fence(fd, opened);
	destroy_fence(fd, fence);
}

static void tear_down(const struct memory *commands, const struct memory *data)
{
	struct d3dkmt_unlock2 unlock = {.device = device, .allocation = data->allocation};
	OK(fd, LX_DXUNLOCK2, &unlock);
	struct d3dkmthandle both[] = {commands->allocation, data->allocation};
	struct d3dkmt_evict evict = {.device = device, .alloc_count = 2, .allocations = address(both)};
	OK(fd, LX_DXEVICT, &evict);
	for (int i = 0; i < 2; i++) {
		struct d3dkmt_freegpuvirtualaddress release = {
		    .adapter = adapter, .base_address = i ? data->gpu : commands->gpu, .size = BYTES};
		OK(fd, LX_DXFREEGPUVIRTUALADDRESS, &release);
	}
	struct d3dkmt_destroyallocation2 destroy = {.device = device, .allocations = address(both), .alloc_count = 2};
	OK(fd, LX_DXDESTROYALLOCATION2, &destroy);
	free(commands->cpu);
	struct d3dkmt_destroyhwqueue destroy_queue = {.queue = queue};
	OK(fd, LX_DXDESTROYHWQUEUE, &destroy_queue);
	struct d3dkmt_destroycontext destroy_context = {.context = context};
	OK(fd, LX_DXDESTROYCONTEXT, &destroy_context);
	FAILS(fd, LX_DXDESTROYCONTEXT, &destroy_context, EINVAL);
	struct d3dddi_destroypagingqueue destroy_paging = {.paging_queue = paging_queue};
	OK(fd, LX_DXDESTROYPAGINGQUEUE, &destroy_paging);
	/* The waiter goes with its device. */
	struct d3dkmt_destroydevice destroy_device = {.device = device};
	OK(fd, LX_DXDESTROYDEVICE, &destroy_device);
	struct d3dkmt_closeadapter close_adapter = {.adapter_handle = adapter};
	OK(fd, LX_DXCLOSEADAPTER, &close_adapter);
	FAILS(fd, LX_DXCLOSEADAPTER, &close_adapter, EINVAL);
	CHECK(close(event) == 0 && close(fd) == 0);
}

int main(void)
{
	fd = open_node();
	event = eventfd(0, EFD_CLOEXEC);
	CHECK(event > 0);
	enumerate();
	questions();
	queues();
	struct memory commands = from_system(), data = from_video();
	work(&commands, &data);
	share();
	struct d3dkmt_getdevicestate state = {.device = device, .state_type = _D3DKMT_DEVICESTATE_EXECUTION};
	OK(fd, LX_DXGETDEVICESTATE, &state);
	CHECK(state.execution_state == _D3DKMT_DEVICEEXECUTION_ACTIVE);
	tear_down(&commands, &data);
	printf("client: %d submissions, all as they should be\n", 1 + SUBMISSIONS);
	return 0;
}
