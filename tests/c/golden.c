/*
 * The recorded calls that need a process of their own, or system calls on the descriptor itself. Each line of output is group,
 * case and what came back, in the words of the recordings.
 */
#include "check.h"
#include <sys/wait.h>

static const char *name_of(int number)
{
	return number == 0 ? "0" : number == ENOTTY ? "ENOTTY" : number == EINVAL ? "EINVAL" : "another one";
}

static void said(const char *group, const char *row, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void said(const char *group, const char *row, const char *format, ...)
{
	va_list list;
	printf("%s\t%s\t", group, row);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	fflush(stdout);
}

static int ended(pid_t child)
{
	int status = 0;
	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void inherited(int fd)
{
	pid_t child = fork();
	if (child == 0) {
		struct d3dkmt_enumadapters3 count = {0};
		int ret = ioctl(fd, LX_DXENUMADAPTERS3, &count);
		said("ioctl-layer", "inherited_fd_in_forked_child", "ret=%d errno=%s", ret, name_of(ret == -1 ? errno : 0));
		_exit(0);
	}
	CHECK(ended(child) == 0);
}

static void on_descriptor(int fd)
{
	char byte;
	int ret = (int)read(fd, &byte, 1);
	said("ioctl-layer", "read_on_fd", "read() ret=%d errno=%s", ret, name_of(errno));
	struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};
	CHECK(poll(&ready, 1, 0) >= 0);
	said("ioctl-layer", "poll_on_fd", "poll(POLLIN|POLLOUT) revents=%#x", (unsigned)ready.revents);
}

static void other_process(int fd)
{
	struct d3dkmthandle device = make_device(fd, first_adapter(fd, NULL));
	struct fence fence = make_fence(fd, device, 5, 1);
	uint64_t handle = 0;
	struct d3dkmt_shareobjects shared = {
	    .object_count = 1, .objects = address(&fence.handle), .shared_handle = address(&handle)};
	OK(fd, LX_DXSHAREOBJECTS, &shared);
	int event = eventfd(0, 0);
	wait_cpu(fd, device, fence.handle, 77, event);
	pid_t child = fork();
	if (child == 0) {
		int own = open_node();
		struct d3dkmthandle other = make_device(own, first_adapter(own, NULL));
		struct d3dkmt_opensyncobjectfromnthandle2 opened = {.nt_handle = handle, .device = other};
		OK(own, LX_DXOPENSYNCOBJECTFROMNTHANDLE2, &opened);
		signal_cpu(own, other, opened.sync_object, 77);
		CHECK(reaches(opened.monitored_fence.fence_value_cpu_va, 77));
		_exit(0);
	}
	CHECK(ended(child) == 0);
	reaches(fence.page, 77);
	said("sharing", "other_process_signal", "value seen here=%d", (int)fence_at(fence.page));
	/* Who sleeps here is woken by what the other process did. */
	CHECK(fired(event, PATIENCE_MS) == 1);
}

int main(void)
{
	int fd = open_node();
	inherited(fd);
	on_descriptor(fd);
	other_process(fd);
	return 0;
}
