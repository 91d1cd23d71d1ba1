/*
 * What a descriptor of the node is in a process: opened in every way, duplicated, inherited, passed on, closed behind the back
 * of whoever provides it, used by threads. Each part is a function; the argument names one, or nothing for all.
 */
#include "check.h"
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static const char *self;
static int early = -1;

/* Before main, and perhaps before any other library is ready. */
__attribute__((constructor(101))) static void before_main(void)
{
	early = open("/dev/dxg", O_RDONLY | O_CLOEXEC);
}

static int works(int fd)
{
	struct d3dkmt_enumadapters2 count = {0};
	return ioctl(fd, LX_DXENUMADAPTERS2, &count) == 0 && count.num_adapters == 1;
}

static int mapped(uint64_t page)
{
	int ends[2];
	CHECK(pipe(ends) == 0);
	int there = write(ends[1], (void *)(uintptr_t)page, 1) == 1;
	CHECK(there || errno == EFAULT);
	close(ends[0]);
	close(ends[1]);
	return there;
}

static int ended(pid_t child)
{
	int status = 0;
	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void constructor(void)
{
	CHECK(early >= 0 && works(early) && close(early) == 0);
}

static void spellings(void)
{
	/* Flags that the compiler does not know lead to the fortified forms. */
	volatile int flags = O_RDONLY;
	int folder = open("/dev", O_RDONLY | O_DIRECTORY);
	int home = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(folder >= 0 && home >= 0);
	int all[] = {
	    open("/dev/dxg", flags),
	    openat(AT_FDCWD, "/dev/dxg", flags),
	    openat(folder, "dxg", flags),
	    openat(-1, "//dev/./dxg", O_RDWR),
	    open("/dev/dxg", O_RDWR | O_CREAT, 0666),
	    creat("/dev/dxg", 0666),
	    (int)syscall(SYS_openat, AT_FDCWD, "/dev/dxg", O_RDONLY, 0),
	    (int)syscall(SYS_openat2, folder, "dxg", &(struct open_how){.flags = O_RDONLY}, sizeof(struct open_how)),
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		CHECK(all[i] >= 0 && works(all[i]) && close(all[i]) == 0 && !works(all[i]) && errno == EBADF);
	FILE *file = fopen("/dev/dxg", "r+e");
	CHECK(file && works(fileno(file)) && fcntl(fileno(file), F_GETFD) == FD_CLOEXEC && fclose(file) == 0);
	CHECK(chdir("/dev") == 0);
	int fd = open("dxg", flags);
	CHECK(works(fd) && close(fd) == 0 && fchdir(home) == 0);
	close(home);
	/* Nothing was made in the folder, and the raw call sees nothing. */
	CHECK(syscall(SYS_faccessat, AT_FDCWD, "/dev/dxg", F_OK) == -1 && errno == ENOENT);
	CHECK(open("/dev/dxg", O_RDONLY | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST);
	CHECK(open("/dev/dxg", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
	close(folder);
}

static void other_paths(void)
{
	volatile uintptr_t bad[] = {0, 1, 0x1000, UINTPTR_MAX};
	for (int i = 0; i < 4; i++) {
		CHECK(open((const char *)bad[i], O_RDONLY) == -1 && errno == EFAULT);
		CHECK(open((const char *)bad[i], O_RDWR | O_CREAT, 0600) == -1 && errno == EFAULT);
	}
	CHECK(open("/dev/dxg2", O_RDONLY) == -1 && errno == ENOENT);
	CHECK(open("", O_RDONLY) == -1 && errno == ENOENT);
	errno = 0;
	int null = open("/dev/null", O_RDWR);
	CHECK(null >= 0 && errno == 0);
	CHECK(ioctl(null, LX_DXENUMADAPTERS2, &(struct d3dkmt_enumadapters2){0}) == -1 && errno == ENOTTY);
	close(null);
}

static void looks(void)
{
	struct stat by_path, by_fd;
	struct statx extended;
	int fd = open("/dev/dxg", O_RDWR);
	CHECK(stat("/dev/dxg", &by_path) == 0 && fstat(fd, &by_fd) == 0);
	CHECK(S_ISCHR(by_path.st_mode) && (by_path.st_mode & 0777) == 0666 && by_path.st_rdev == by_fd.st_rdev);
	CHECK(statx(AT_FDCWD, "/dev/dxg", 0, STATX_BASIC_STATS, &extended) == 0 && S_ISCHR(extended.stx_mode));
	CHECK(access("/dev/dxg", R_OK | W_OK) == 0 && access("/dev/dxg", X_OK) == -1);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
	CHECK(lseek(fd, 0, SEEK_SET) == -1 && errno == ESPIPE);
	int set = epoll_create1(0);
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}) == -1 && errno == EPERM);
	close(set);
	close(fd);
	fd = open("/dev/dxg", O_PATH);
	CHECK(fd >= 0 && !works(fd) && errno == EBADF && close(fd) == 0);
	errno = 77;
	fd = open_node();
	CHECK(works(fd) && close(fd) == 0 && errno == 77);
}

static void names(void)
{
	volatile size_t room = 4096;
	char path[64], plain[4096], by_number[64];
	int fd = open_node(), other = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
		else
			snprintf(path, sizeof path, "%s/%d", i ? "/dev/fd" : "/proc/self/fd", fd);
		CHECK(readlink(path, plain, room) == 8 && memcmp(plain, "/dev/dxg", 8) == 0);
		CHECK(readlinkat(AT_FDCWD, path, plain, 4) == 4 && memcmp(plain, "/dev", 4) == 0);
		/* By that name it is opened once more; what it was opened for stays apart. */
		int again = open(path, O_RDWR | O_CLOEXEC);
		CHECK(again != fd && works(again) && (fcntl(again, F_GETFL) & O_ACCMODE) == O_RDWR);
		CHECK(fcntl(again, F_GETFD) == FD_CLOEXEC && close(again) == 0 && works(fd));
	}
	snprintf(by_number, sizeof by_number, "/proc/self/fd/%d", other);
	CHECK(readlink(by_number, plain, room) == 9 && memcmp(plain, "/dev/null", 9) == 0);
	int again = open(by_number, O_RDONLY);
	CHECK(again >= 0 && !works(again) && errno == ENOTTY && close(again) == 0);
	CHECK(realpath("/dev/../dev//dxg", plain) == plain && strcmp(plain, "/dev/dxg") == 0);
	char *made = realpath("/dev/dxg", NULL), *same = canonicalize_file_name("/dev/./dxg");
	CHECK(made && same && strcmp(made, same) == 0);
	free(made);
	free(same);
	errno = 0;
	CHECK(realpath("/dev/dxg2", plain) == NULL && errno == ENOENT);
	CHECK(readlink("/dev/dxg2", plain, room) == -1 && errno == ENOENT);
	CHECK(readlink((const char *)8, plain, room) == -1 && errno == EFAULT);
	CHECK(close(fd) == 0 && close(other) == 0);
}

/* Requests that are not exactly the driver's, and those that the kernel answers for any file. */
static void requests(void)
{
	int fd = open_node(), on = 1;
	struct d3dkmt_enumadapters2 count = {0};
	const unsigned long request = LX_DXENUMADAPTERS2;
	const unsigned long wrong[] = {
	    _IOC(_IOC_READ | _IOC_WRITE, 'G', _IOC_NR(request), 8), _IOC(_IOC_READ | _IOC_WRITE, 'G', _IOC_NR(request), 0),
	    _IOC(_IOC_READ, 'G', _IOC_NR(request), 16),		  _IOC(_IOC_NONE, 'G', _IOC_NR(request), 16),
	    _IOC(_IOC_READ | _IOC_WRITE, 'H', _IOC_NR(request), 16), _IOC(_IOC_READ | _IOC_WRITE, 'G', 0x7f, 16),
	    _IOC(_IOC_READ | _IOC_WRITE, 'G', 0x03, 16),		  0, ULONG_MAX, 0x5401 /* TCGETS */, 0xb701 /* of namespaces */,
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		FAILS(fd, wrong[i], &count, ENOTTY);
		CHECK(syscall(SYS_ioctl, fd, wrong[i], &count) == -1 && errno == ENOTTY);
	}
	/* The kernel looks at 32 bits. */
	CHECK(ioctl(fd, request | 1ul << 40, &count) == 0 && syscall(SYS_ioctl, fd, request, &count) == 0);
	CHECK(ioctl(fd, FIONCLEX) == 0 && fcntl(fd, F_GETFD) == 0);
	CHECK(ioctl(fd, FIOCLEX) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(ioctl(fd, FIONBIO, &on) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(works(fd) && close(fd) == 0);
	CHECK(ioctl(fd, request, &count) == -1 && errno == EBADF);
}

static void duplicates(void)
{
	int fd = open_node();
	struct d3dkmthandle device = make_device(fd, first_adapter(fd, NULL));
	struct fence fence = make_fence(fd, device, 3, 0);
	int all[] = {dup(fd), dup2(fd, 60), dup3(fd, 61, O_CLOEXEC), fcntl(fd, F_DUPFD, 70), fcntl(fd, F_DUPFD_CLOEXEC, 70),
		     (int)syscall(SYS_dup, fd)};
	CHECK(all[1] == 60 && all[2] == 61 && all[3] == 70 && all[4] == 71);
	CHECK(close(fd) == 0);
	for (int i = 0; i < 6; i++) {
		CHECK(works(all[i]) && mapped(fence.page) && fence_at(fence.page) == 3);
		/* The last but one goes by having another file put onto it. */
		if (i == 4)
			CHECK(dup2(STDERR_FILENO, all[i]) == all[i] && !works(all[i]) && errno == ENOTTY);
		CHECK(close(all[i]) == 0);
	}
	/* With the last descriptor everything is gone. */
	CHECK(!mapped(fence.page));
}

static void one_process(void)
{
	int first = open_node(), second = open_node();
	struct d3dkmthandle device = make_device(first, first_adapter(first, NULL));
	struct fence fence = make_fence(second, device, 1, 0);
	CHECK(close(first) == 0);
	signal_cpu(second, device, fence.handle, 2);
	CHECK(reaches(fence.page, 2) && close(second) == 0 && !mapped(fence.page));
}

static void inheritance(void)
{
	int kept = open("/dev/dxg", O_RDONLY), closed = open_node();
	CHECK(fcntl(kept, F_GETFD) == 0 && fcntl(closed, F_GETFD) == FD_CLOEXEC);
	struct d3dkmthandle device = make_device(kept, first_adapter(kept, NULL));
	struct fence fence = make_fence(kept, device, 9, 0);
	pid_t child = fork();
	if (child == 0) {
		/* Pages stay mapped; calls are refused until the child opens the node itself, and begins with nothing. */
		CHECK(fence_at(fence.page) == 9);
		CHECK(!works(kept) && errno == ENOTTY);
		int copy = dup(kept);
		CHECK(!works(copy) && errno == ENOTTY && close(kept) == 0 && close(copy) == 0);
		int own = open_node();
		CHECK(works(own));
		struct d3dkmt_destroydevice stale = {.device = device};
		CHECK(ioctl(own, LX_DXDESTROYDEVICE, &stale) == -1 && errno == EINVAL);
		make_device(own, first_adapter(own, NULL));
		_exit(0);
	}
	CHECK(ended(child) == 0);
	child = fork();
	if (child == 0) {
		char number[16], other[16];
		snprintf(number, sizeof number, "%d", kept);
		snprintf(other, sizeof other, "%d", closed);
		execl(self, self, "after_exec", number, other, (char *)NULL);
		_exit(2);
	}
	CHECK(ended(child) == 0);
	/* The process that opened it may use it, also as another program. */
	child = fork();
	if (child == 0) {
		char number[16];
		snprintf(number, sizeof number, "%d", open("/dev/dxg", O_RDONLY));
		execl(self, self, "same_process", number, (char *)NULL);
		_exit(2);
	}
	CHECK(ended(child) == 0);
	/* A vfork child has this memory, but descriptors of its own: it closes none of ours, though this is the last. */
	CHECK(close(closed) == 0);
	child = vfork();
	if (child == 0) {
		close(kept);
		_exit(0);
	}
	CHECK(ended(child) == 0 && mapped(fence.page));
	posix_spawn_file_actions_t actions;
	CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawn_file_actions_addclose(&actions, kept) == 0);
	char *arguments[] = {(char *)self, "after_exec", "-1", "-1", NULL};
	extern char **environ;
	CHECK(posix_spawn(&child, self, &actions, NULL, arguments, environ) == 0 && ended(child) == 0);
	signal_cpu(kept, device, fence.handle, 10);
	CHECK(reaches(fence.page, 10) && works(kept));
	CHECK(close(kept) == 0 && !mapped(fence.page));
}

static int after_exec(char **numbers)
{
	int kept = atoi(numbers[0]), closed = atoi(numbers[1]);
	/* It took the lowest free number. */
	close(early);
	if (kept >= 0)
		CHECK(!works(kept) && errno == ENOTTY);
	CHECK(!works(closed) && errno == EBADF);
	int own = open_node();
	CHECK(works(own));
	return 0;
}

static void passed_on(void)
{
	int fd = open_node(), ends[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	char byte = 1, room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	CHECK(sendmsg(ends[0], &message, 0) == 1 && recvmsg(ends[1], &message, 0) == 1);
	int received;
	memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
	CHECK(received != fd && works(received));
	CHECK(close(received) == 0 && works(fd) && close(fd) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void behind_the_back(void)
{
	FILE *file = fopen("/dev/dxg", "r");
	int number = fileno(file);
	CHECK(works(number) && fclose(file) == 0);
	/* The C library closed it by itself; the number is another file's now. */
	int null = open("/dev/null", O_RDWR);
	struct stat look;
	CHECK(null == number && fstat(null, &look) == 0 && major(look.st_rdev) == 1);
	CHECK(!works(null) && errno == ENOTTY && read(null, &look, 1) == 0);
	CHECK(close(null) == 0);
	int fd = open_node();
	CHECK(works(fd) && close(fd) == 0);
}

static void closing_everything(void)
{
	int fd = open_node();
	struct d3dkmthandle device = make_device(fd, first_adapter(fd, NULL));
	struct fence fence = make_fence(fd, device, 0, 1);
	int event = eventfd(0, 0);
	wait_cpu(fd, device, fence.handle, 1, event);
	uint64_t handle = 0;
	struct d3dkmt_createsyncfile sync = {.device = device, .monitored_fence = fence.handle, .fence_value = 1};
	OK(fd, LX_DXCREATESYNCFILE, &sync);
	struct d3dkmt_shareobjects share = {
	    .object_count = 1, .objects = address(&fence.handle), .shared_handle = address(&handle)};
	OK(fd, LX_DXSHAREOBJECTS, &share);
	/* All numbers but the node's, one by one and as a range; then files of this program take as many as they can. */
	for (int number = 3; number < 1024; number++)
		if (number != fd)
			close(number);
	CHECK(close_range((unsigned)fd + 1, ~0u, 0) == 0);
	int files[900], count = 0;
	while (count < 900 && (files[count] = memfd_create("ours", 0)) >= 0)
		count++;
	CHECK(count > 400);
	signal_cpu(fd, device, fence.handle, 1);
	CHECK(reaches(fence.page, 1));
	usleep(20000);
	for (int i = 0; i < count; i++) {
		struct stat look;
		CHECK(fstat(files[i], &look) == 0 && look.st_size == 0);
		CHECK(close(files[i]) == 0);
	}
	CHECK(works(fd));
	closefrom(3);
	CHECK(!works(fd) && errno == EBADF && !mapped(fence.page));
	fd = open_node();
	CHECK(works(fd) && close(fd) == 0);
}

static void too_many(void)
{
	struct rlimit before, few = {.rlim_cur = 64, .rlim_max = 0};
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	few.rlim_max = before.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	int opened[64], count = 0;
	while ((opened[count] = open("/dev/dxg", O_RDONLY)) >= 0)
		count++;
	CHECK(errno == EMFILE && count > 20);
	for (int i = 0; i < count; i++)
		CHECK(works(opened[i]) && close(opened[i]) == 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

static void *in_a_thread(void *argument)
{
	(void)argument;
	for (int round = 0; round < 40; round++) {
		int fd = open_node();
		struct d3dkmthandle device = make_device(fd, first_adapter(fd, NULL));
		struct fence fence = make_fence(fd, device, 0, 0);
		int copy = dup(fd);
		CHECK(close(fd) == 0);
		signal_cpu(copy, device, fence.handle, 5);
		wait_cpu(copy, device, fence.handle, 5, 0);
		CHECK(fence_at(fence.page) == 5);
		struct d3dkmt_destroydevice destroy = {.device = device};
		OK(copy, LX_DXDESTROYDEVICE, &destroy);
		CHECK(close(copy) == 0);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t all[8];
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&all[i], NULL, in_a_thread, NULL) == 0);
	for (int i = 0; i < 8; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
}

struct sleep {
	int fd;
	struct d3dkmthandle device;
	struct fence fence;
	int ret, error;
	volatile int awake;
};

static void *sleeps(void *argument)
{
	struct sleep *sleep = argument;
	uint64_t value = 1;
	struct d3dkmt_waitforsynchronizationobjectfromcpu wait = {.device = sleep->device,
								  .object_count = 1,
								  .objects = address(&sleep->fence.handle),
								  .fence_values = address(&value)};
	sleep->ret = ioctl(sleep->fd, LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &wait);
	sleep->error = errno;
	sleep->awake = 1;
	pthread_testcancel();
	return NULL;
}

static void nothing(int number)
{
	(void)number;
}

static void disturbed_sleep(void)
{
	struct sleep sleep = {.fd = open_node()};
	sleep.device = make_device(sleep.fd, first_adapter(sleep.fd, NULL));
	sleep.fence = make_fence(sleep.fd, sleep.device, 0, 0);
	struct sigaction action = {.sa_handler = nothing};
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	pthread_t thread;
	/* A signal without SA_RESTART ends it. */
	CHECK(pthread_create(&thread, NULL, sleeps, &sleep) == 0);
	usleep(50000);
	CHECK(!sleep.awake);
	/* More than one, in case the thread has not come to it yet. */
	for (; !sleep.awake; usleep(10000))
		pthread_kill(thread, SIGUSR1);
	CHECK(pthread_join(thread, NULL) == 0 && sleep.ret == -1 && sleep.error == EINTR);
	/* With SA_RESTART it goes on; and an ioctl is no cancellation point. */
	action.sa_flags = SA_RESTART;
	sleep.awake = 0;
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && pthread_create(&thread, NULL, sleeps, &sleep) == 0);
	usleep(50000);
	CHECK(pthread_kill(thread, SIGUSR1) == 0 && pthread_cancel(thread) == 0);
	usleep(50000);
	CHECK(!sleep.awake);
	signal_cpu(sleep.fd, sleep.device, sleep.fence.handle, 1);
	void *result;
	CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && sleep.awake && sleep.ret == 0);
	CHECK(close(sleep.fd) == 0);
}

static void unmapped_too_early(void)
{
	/* Imported memory that the program takes away, against the contract: the device is lost, the program lives. */
	int fd = open_node();
	struct d3dkmthandle adapter = first_adapter(fd, NULL), device = make_device(fd, adapter);
	struct d3dkmt_createcontextvirtual context = {.device = device};
	OK(fd, LX_DXCREATECONTEXTVIRTUAL, &context);
	struct d3dkmt_createpagingqueue paging = {.device = device};
	OK(fd, LX_DXCREATEPAGINGQUEUE, &paging);
	char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct d3dkmt_createstandardallocation standard = {.type = _D3DKMT_STANDARDALLOCATIONTYPE_EXISTINGHEAP,
							   .existing_heap_data = {.size = 65536}};
	struct d3dddi_allocationinfo2 info = {.sysmem = address(memory)};
	struct d3dkmt_createallocation create = {.device = device,
						 .alloc_count = 1,
						 .allocation_info = address(&info),
						 .standard_allocation = address(&standard)};
	create.flags.standard_allocation = 1;
	create.flags.existing_sysmem = 1;
	OK(fd, LX_DXCREATEALLOCATION, &create);
	struct d3dddi_mapgpuvirtualaddress map = {
	    .paging_queue = paging.paging_queue, .allocation = info.allocation, .size_in_pages = 16};
	map.protection.write = 1;
	OK(fd, LX_DXMAPGPUVIRTUALADDRESS, &map);
	CHECK(munmap(memory, 65536) == 0);
	struct d3dkmt_submitcommand submission = {
	    .command_buffer = map.virtual_address, .command_length = 4096, .broadcast_context_count = 1};
	submission.broadcast_context[0] = context.context;
	OK(fd, LX_DXSUBMITCOMMAND, &submission);
	usleep(20000);
	CHECK(works(fd) && close(fd) == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
    {"constructor", constructor},
    {"spellings", spellings},
    {"other_paths", other_paths},
    {"looks", looks},
    {"names", names},
    {"requests", requests},
    {"duplicates", duplicates},
    {"one_process", one_process},
    {"inheritance", inheritance},
    {"passed_on", passed_on},
    {"behind_the_back", behind_the_back},
    {"closing_everything", closing_everything},
    {"too_many", too_many},
    {"threads", threads},
    {"disturbed_sleep", disturbed_sleep},
    {"unmapped_too_early", unmapped_too_early},
};

int main(int count, char **arguments)
{
	self = arguments[0];
	alarm(120);
	if (count == 4 && strcmp(arguments[1], "after_exec") == 0)
		return after_exec(arguments + 2);
	if (count == 3 && strcmp(arguments[1], "same_process") == 0)
		return works(atoi(arguments[2])) && close(atoi(arguments[2])) == 0 ? 0 : 1;
	/* The early descriptor is the first part's business. */
	if (count > 1 && strcmp(arguments[1], parts[0].name) != 0)
		close(early);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (count > 1 && strcmp(arguments[1], parts[i].name) != 0)
			continue;
		parts[i].run();
		printf("%s\n", parts[i].name);
		fflush(stdout);
	}
	return 0;
}
