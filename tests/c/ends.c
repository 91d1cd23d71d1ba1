/*
 * A program that makes some calls on the node and ends as its argument says. It returns from all of them, but where a thread
 * sleeps in a wait that nobody ends.
 */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

static int fd;
static struct d3dkmthandle device;
static struct fence fence;

static void *sleeps(void *nothing)
{
	wait_cpu(fd, device, fence.handle, 1, 0);
	return nothing;
}

static void start_a_sleeper(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, sleeps, NULL) == 0);
	usleep(300000);
}

static int is(const char *how, const char *which)
{
	return strcmp(how, which) == 0;
}

int main(int count, char **arguments)
{
	CHECK(count == 2);
	const char *how = arguments[1];
	alarm(60);
	int null = open("/dev/null", O_RDONLY);
	CHECK(null >= 0);
	fd = open_node();
	/* What this program becomes: one call. */
	if (is(how, "became")) {
		first_adapter(fd, NULL);
		return 0;
	}
	device = make_device(fd, first_adapter(fd, NULL));
	fence = make_fence(fd, device, 0, 0);
	for (int i = 0; i < 9; i++)
		OK(fd, LX_DXENUMADAPTERS2, &(struct d3dkmt_enumadapters2){0});
	if (is(how, "exits"))
		_exit(3);
	volatile uintptr_t nowhere = 8;
	if (is(how, "crashes"))
		*(volatile int *)nowhere = 1;
	if (is(how, "aborts"))
		abort();
	if (is(how, "is_killed"))
		kill(getpid(), SIGKILL);
	char *became[] = {arguments[0], "became", NULL};
	if (is(how, "execs")) {
		execv(arguments[0], became);
		return 2;
	}
	if (is(how, "spawns")) {
		extern char **environ;
		pid_t child;
		int status;
		CHECK(posix_spawn(&child, arguments[0], NULL, NULL, became, environ) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	if (is(how, "returns") || is(how, "spawns"))
		return 0;
	start_a_sleeper();
	if (is(how, "is_killed_asleep"))
		kill(getpid(), SIGKILL);
	if (is(how, "execs_beside_a_sleeper"))
		execv(arguments[0], became);
	_exit(is(how, "exits_beside_a_sleeper") ? 4 : 2);
}
