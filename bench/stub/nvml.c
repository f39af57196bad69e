/* A stand-in for NVIDIA's management library, to measure what a collector itself costs: eight GPUs of 300 W, no driver.
 *
 * Both sides load it as libnvidia-ml.so.1. It answers from the clock, so that counters rise as they would. A test makes a
 * function fail by NVML_STUB_FAIL=function:code.
 * Reference: NVIDIA, nvml.h (names and signatures).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int result_t;
typedef void *device_t;
enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { DEVICES = 8, WATTS = 300 };

typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2_t;

static int failure(const char *function)
{
    const char *told = getenv("NVML_STUB_FAIL");
    size_t length = strlen(function);
    return told && strncmp(told, function, length) == 0 && told[length] == ':' ? atoi(told + length + 1) : 0;
}
#define MAY_FAIL do { int code = failure(__func__); if (code) return code; } while (0)

static int index_of(device_t device) { return (int)(size_t)device - 1; }
static int is_known(device_t device) { return index_of(device) >= 0 && index_of(device) < DEVICES; }

result_t nvmlInit_v2(void) { MAY_FAIL; return SUCCESS; }
result_t nvmlInitWithFlags(unsigned int flags) { (void)flags; return SUCCESS; }
result_t nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(result_t code) { return code ? "stand-in error" : "success"; }
result_t nvmlSystemGetDriverVersion(char *text, unsigned int size) { snprintf(text, size, "0.0"); return SUCCESS; }
result_t nvmlDeviceGetCount_v2(unsigned int *count) { MAY_FAIL; *count = DEVICES; return SUCCESS; }

result_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, device_t *device)
{
    MAY_FAIL;
    if (index >= DEVICES) return INVALID_ARGUMENT;
    *device = (device_t)(size_t)(index + 1);
    return SUCCESS;
}

result_t nvmlDeviceGetUUID(device_t device, char *text, unsigned int size)
{
    MAY_FAIL;
    if (!is_known(device)) return INVALID_ARGUMENT;
    return snprintf(text, size, "GPU-00000000-0000-0000-0000-%012d", index_of(device)) < (int)size ? SUCCESS : INSUFFICIENT_SIZE;
}

result_t nvmlDeviceGetHandleByUUID(const char *uuid, device_t *device)
{
    MAY_FAIL;
    int index;
    if (sscanf(uuid, "GPU-00000000-0000-0000-0000-%d", &index) != 1 || index < 0 || index >= DEVICES) return NOT_FOUND;
    *device = (device_t)(size_t)(index + 1);
    return SUCCESS;
}

result_t nvmlDeviceGetName(device_t device, char *text, unsigned int size)
{
    MAY_FAIL;
    (void)device;
    snprintf(text, size, "Stand-in GPU");
    return SUCCESS;
}

result_t nvmlDeviceGetTotalEnergyConsumption(device_t device, unsigned long long *energy_mj)
{
    MAY_FAIL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *energy_mj = ((unsigned long long)now.tv_sec * 1000 + now.tv_nsec / 1000000) * (WATTS + index_of(device));
    return SUCCESS;
}

result_t nvmlDeviceGetPowerUsage(device_t device, unsigned int *power_mw)
{
    MAY_FAIL;
    *power_mw = (WATTS + index_of(device)) * 1000;
    return SUCCESS;
}

result_t nvmlDeviceGetEnforcedPowerLimit(device_t device, unsigned int *limit_mw)
{
    MAY_FAIL;
    (void)device;
    *limit_mw = 700000;
    return SUCCESS;
}

result_t nvmlDeviceGetPowerManagementLimit(device_t device, unsigned int *limit_mw)
{
    MAY_FAIL;
    return nvmlDeviceGetEnforcedPowerLimit(device, limit_mw);
}

result_t nvmlDeviceGetUtilizationRates(device_t device, utilization_t *rates)
{
    MAY_FAIL;
    rates->gpu = 50 + index_of(device);
    rates->memory = 20;
    return SUCCESS;
}

result_t nvmlDeviceGetMemoryInfo(device_t device, memory_t *memory)
{
    MAY_FAIL;
    (void)device;
    memory->total = 80ULL << 30;
    memory->used = 40ULL << 30;
    memory->free = 40ULL << 30;
    return SUCCESS;
}

result_t nvmlDeviceGetMemoryInfo_v2(device_t device, memory_v2_t *memory)
{
    MAY_FAIL;
    (void)device;
    memory->total = 80ULL << 30;
    memory->reserved = 0;
    memory->used = 40ULL << 30;
    memory->free = 40ULL << 30;
    return SUCCESS;
}

result_t nvmlDeviceGetTemperature(device_t device, int sensor, unsigned int *celsius)
{
    MAY_FAIL;
    (void)device;
    (void)sensor;
    *celsius = 60;
    return SUCCESS;
}

result_t nvmlDeviceGetComputeMode(device_t device, int *mode)
{
    MAY_FAIL;
    (void)device;
    *mode = 0;
    return SUCCESS;
}

static result_t no_processes(unsigned int *count) { *count = 0; return SUCCESS; }
result_t nvmlDeviceGetComputeRunningProcesses_v2(device_t d, unsigned int *n, void *p) { (void)d; (void)p; return no_processes(n); }
result_t nvmlDeviceGetComputeRunningProcesses_v3(device_t d, unsigned int *n, void *p) { (void)d; (void)p; return no_processes(n); }
result_t nvmlDeviceGetGraphicsRunningProcesses_v2(device_t d, unsigned int *n, void *p) { (void)d; (void)p; return no_processes(n); }
result_t nvmlDeviceGetGraphicsRunningProcesses_v3(device_t d, unsigned int *n, void *p) { (void)d; (void)p; return no_processes(n); }
result_t nvmlDeviceGetMigMode(device_t d, unsigned int *now, unsigned int *then) { (void)d; *now = *then = 0; return SUCCESS; }
