// A driver of CUDA with one device, which is the processor, and with two modules, whose sources stand in front of this file in the
// namespaces `k0` and, with a mirrored product, `k1`: as much of the driver as the runtime calls.

#include <map>
#include <memory>
#include <string>

namespace {

std::map<uint64_t, std::unique_ptr<Guarded>> memory;
void* const CONTEXT = (void*)1;
void* current_context;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

template <class Value>
Value argument(void** arguments, int n) {
    return *(Value*)arguments[n];
}

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
    *module = (void*)1;
    return SUCCESS;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
    const char* const names[] = {"keops_reduce", "keops_merge", "keops_mirror", "keops_gather"};
    for (uint64_t n = 0; n < 4; ++n) {
        if (name == std::string(names[n])) return *function = (void*)(n + 1), SUCCESS;
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
    if (threads != k0::THREADS) return INVALID_VALUE;
    launch(x, y, threads, [=] {
        if (function == (void*)1) {
            using namespace k0;
            keops_reduce(argument<Params>(a, 0), argument<const T*>(a, 1), argument<const T*>(a, 2), argument<const T*>(a, 3),
                         argument<Size>(a, 4), argument<Size>(a, 5), argument<Size>(a, 6), argument<Size>(a, 7),
                         argument<Size>(a, 8), argument<Slot*>(a, 9), argument<Out*>(a, 10), argument<Size*>(a, 11));
        } else if (function == (void*)2) {
            using namespace k0;
            keops_merge(argument<Size>(a, 0), argument<Size>(a, 1), argument<Size>(a, 2), argument<Size>(a, 3),
                        argument<Slot*>(a, 4), argument<Out*>(a, 5), argument<Size*>(a, 6));
        } else if (function == (void*)3) {
            using namespace k1;
            keops_mirror(argument<Params>(a, 0), argument<const T*>(a, 1), argument<const T*>(a, 2), argument<const T*>(a, 3),
                         argument<Size>(a, 4), argument<Size>(a, 5), argument<Size>(a, 6), argument<Size>(a, 7),
                         argument<Slot*>(a, 8), argument<T*>(a, 9));
        } else {
            using namespace k1;
            keops_gather(argument<Size>(a, 0), argument<Size>(a, 1), argument<Size>(a, 2), argument<Size>(a, 3),
                         argument<Size>(a, 4), argument<const Slot*>(a, 5), argument<const T*>(a, 6), argument<Out*>(a, 7));
        }
    });
    return SUCCESS;
}

}  // extern "C"
