// A driver of CUDA with one device, which is the processor, and with the modules of the array `modules`, which stands in front of this file,
// in the order in which they are loaded: as much of the driver as the runtime calls.

#include <map>
#include <memory>
#include <string>

namespace {

std::map<uint64_t, std::unique_ptr<Guarded>> memory;
void* const CONTEXT = (void*)1;
void* current_context;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

size_t loaded;

}  // namespace

extern "C" {

int cuInit(unsigned) { return SUCCESS; }
int cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
int cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, SUCCESS; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
    // Multiprocessors, so few that small reductions are worth all that large ones are, and the compute capability 9.0.
    *value = attribute == 16 ? 1 : attribute == 75 ? 9 : 0;
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = CONTEXT, SUCCESS; }
int cuCtxSetCurrent(void* context) { return current_context = context, SUCCESS; }
int cuGetErrorName(int, const char** text) { return *text = "error", SUCCESS; }
int cuGetErrorString(int, const char** text) { return *text = "an error of the driver of the tests", SUCCESS; }

int cuModuleLoadData(void** module, const void* image) {
    if (current_context != CONTEXT) return INVALID_CONTEXT;
    if (memcmp(image, "\x7f" "ELF", 4) != 0) return INVALID_VALUE;
    if (loaded == sizeof modules / sizeof *modules) return NOT_FOUND;
    *module = (void*)&modules[loaded++];
    return SUCCESS;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    for (const Function& each : ((const Module*)module)->functions) {
        if (name == std::string(each.name)) return *function = (void*)&each, SUCCESS;
    }
    return NOT_FOUND;
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    if (current_context != CONTEXT) return INVALID_CONTEXT;
    if (bytes == 0) return INVALID_VALUE;
    if (bytes > (1u << 28)) return OUT_OF_MEMORY;
    auto allocated = std::make_unique<Guarded>(bytes);
    *address = (uint64_t)allocated->data;
    memory[*address] = std::move(allocated);
    return SUCCESS;
}
int cuMemFree_v2(uint64_t address) { return memory.erase(address) == 1 ? SUCCESS : INVALID_VALUE; }
int cuMemGetInfo_v2(size_t* free, size_t* total) { return *free = *total = 1u << 28, SUCCESS; }
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { return memcpy((void*)to, from, bytes), SUCCESS; }
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { return memcpy(to, (void*)from, bytes), SUCCESS; }

int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned, unsigned threads, unsigned, unsigned, unsigned, void*,
                   void** a, void**) {
    if (current_context != CONTEXT) return INVALID_CONTEXT;
    const Function& called = *(const Function*)function;
    if (threads != called.threads) return INVALID_VALUE;
    launch(x, y, threads, [&] { called.call(a); });
    return SUCCESS;
}

}  // extern "C"
