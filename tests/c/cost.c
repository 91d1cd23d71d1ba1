/*
 * What standing before the C library costs calls that are about something else. Each call is made through the name, which the
 * preloaded library answers to, and straight at the C library's function, in turns; the best of many turns of each is taken, so
 * that what others do on the machine does not count. Each line of output is a call and the ratio, in percent.
 */
#include "check.h"
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define CALLS 400
#define TURNS 600

static int pipe_end, null;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int (*volatile c_open)(const char *, int, ...), (*volatile our_open)(const char *, int, ...) = open;
static int (*volatile c_close)(int), (*volatile our_close)(int) = close;
static int (*volatile c_ioctl)(int, unsigned long, ...), (*volatile our_ioctl)(int, unsigned long, ...) = ioctl;
static int (*volatile c_fcntl)(int, int, ...), (*volatile our_fcntl)(int, int, ...) = fcntl;
static int (*volatile c_fstat)(int, struct stat *), (*volatile our_fstat)(int, struct stat *) = fstat;
static long (*volatile c_syscall)(long, ...), (*volatile our_syscall)(long, ...) = syscall;

static void with_open(int ours)
{
	int (*open_it)(const char *, int, ...) = ours ? our_open : c_open;
	int (*close_it)(int) = ours ? our_close : c_close;
	for (int i = 0; i < CALLS; i++)
		close_it(open_it("/dev/null", O_RDONLY));
}

static void with_ioctl(int ours)
{
	int (*call)(int, unsigned long, ...) = ours ? our_ioctl : c_ioctl;
	int bytes;
	for (int i = 0; i < CALLS; i++)
		call(pipe_end, FIONREAD, &bytes);
}

static void with_fcntl(int ours)
{
	int (*call)(int, int, ...) = ours ? our_fcntl : c_fcntl;
	for (int i = 0; i < CALLS; i++)
		call(null, F_GETFD);
}

static void with_fstat(int ours)
{
	int (*call)(int, struct stat *) = ours ? our_fstat : c_fstat;
	struct stat look;
	for (int i = 0; i < CALLS; i++)
		call(null, &look);
}

static void with_syscall(int ours)
{
	long (*call)(long, ...) = ours ? our_syscall : c_syscall;
	for (int i = 0; i < CALLS; i++)
		call(SYS_getppid);
}

static void measure(const char *name, void (*run)(int))
{
	uint64_t best[2] = {UINT64_MAX, UINT64_MAX};
	for (int turn = 0; turn < TURNS; turn++) {
		for (int ours = 0; ours < 2; ours++) {
			uint64_t begin = now();
			run(ours);
			uint64_t took = now() - begin;
			if (took < best[ours])
				best[ours] = took;
		}
	}
	printf("%s %.1f %.1f %.1f\n", name, 100.0 * (double)best[1] / (double)best[0], (double)best[0] / CALLS,
	       (double)best[1] / CALLS);
}

int main(void)
{
	void *c = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	CHECK(c);
	*(void **)&c_open = dlsym(c, "open");
	*(void **)&c_close = dlsym(c, "close");
	*(void **)&c_ioctl = dlsym(c, "ioctl");
	*(void **)&c_fcntl = dlsym(c, "fcntl");
	*(void **)&c_fstat = dlsym(c, "fstat");
	*(void **)&c_syscall = dlsym(c, "syscall");
	CHECK(c_open && c_close && c_ioctl && c_fcntl && c_fstat && c_syscall);
	int ends[2];
	CHECK(pipe(ends) == 0);
	pipe_end = ends[0];
	null = open("/dev/null", O_RDWR);
	printf("preloaded %d\n", c_ioctl != our_ioctl);
	measure("open+close", with_open);
	measure("ioctl", with_ioctl);
	measure("fcntl", with_fcntl);
	measure("fstat", with_fstat);
	measure("syscall", with_syscall);
	/* The same while the program has the node open. */
	int fd = open("/dev/dxg", O_RDONLY);
	printf("node %d\n", fd >= 0);
	measure("ioctl-with-node", with_ioctl);
	measure("open+close-with-node", with_open);
	return 0;
}
