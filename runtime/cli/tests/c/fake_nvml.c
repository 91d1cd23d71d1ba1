/*
 * A libnvidia-ml without a GPU: two of them, as a driver would describe them. FAKE_NVML in the environment chooses what it does:
 * `refuses` (it does not start), `silent` (it starts, and supports nothing but the names), anything else (it answers).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, GPUS = 2 };
enum { CLOCK_SM = 1, CLOCK_MEMORY = 2 };

struct gpu {
	const char *name;
	unsigned busy, memory_busy, sm_clock, memory_clock, temperature;
	unsigned long long used, total;
};

static const struct gpu gpus[GPUS] = {
	{"FAKE RTX 1", 37, 12, 2505, 10501, 54, 3ull << 30, 24ull << 30},
	{"FAKE RTX 2", 0, 0, 210, 405, 31, 0, 8ull << 30},
};

static int does(const char *what)
{
	const char *chosen = getenv("FAKE_NVML");
	return chosen && strcmp(chosen, what) == 0;
}

static int answer(void)
{
	return does("silent") ? NOT_SUPPORTED : SUCCESS;
}

int nvmlInit_v2(void)
{
	return does("refuses") ? DRIVER_NOT_LOADED : SUCCESS;
}

int nvmlShutdown(void)
{
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
	*count = GPUS;
	return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, const struct gpu **gpu)
{
	if (index >= GPUS)
		return INVALID_ARGUMENT;
	*gpu = &gpus[index];
	return SUCCESS;
}

int nvmlDeviceGetName(const struct gpu *gpu, char *name, unsigned length)
{
	snprintf(name, length, "%s", gpu->name);
	return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(const struct gpu *gpu, unsigned rates[2])
{
	rates[0] = gpu->busy;
	rates[1] = gpu->memory_busy;
	return answer();
}

struct memory {
	unsigned version;
	unsigned long long total, reserved, free, used;
};

int nvmlDeviceGetMemoryInfo_v2(const struct gpu *gpu, struct memory *memory)
{
	if (memory->version != (sizeof *memory | 2u << 24))
		return INVALID_ARGUMENT;
	memory->total = gpu->total;
	memory->used = gpu->used;
	memory->free = gpu->total - gpu->used;
	memory->reserved = 0;
	return answer();
}

int nvmlDeviceGetClockInfo(const struct gpu *gpu, int clock, unsigned *mhz)
{
	if (clock != CLOCK_SM && clock != CLOCK_MEMORY)
		return INVALID_ARGUMENT;
	*mhz = clock == CLOCK_SM ? gpu->sm_clock : gpu->memory_clock;
	return answer();
}

int nvmlDeviceGetTemperature(const struct gpu *gpu, int sensor, unsigned *degrees)
{
	if (sensor != 0)
		return INVALID_ARGUMENT;
	*degrees = gpu->temperature;
	return answer();
}

int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
	snprintf(version, length, "580.82.07");
	return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = 13010;
	return answer();
}
