// A driver of CUDA with one device, which is the processor: as much of the driver as the runtime calls.
//
// What it is to load are binaries for real devices. Their sources are in the runtime's cache, from where they are compiled for the processor, each
// to a library of its own.
//
// What is queued on a stream is done as late as can be: when the host waits for it, or when another stream does that has to. So work that does not wait for what it
// needs on another stream finds it undone.

#include "driver.h"

#include <dirent.h>
#include <dlfcn.h>

#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>

namespace {

std::map<uint64_t, std::unique_ptr<Guarded>> memory;
void* const CONTEXT = (void*)1;
thread_local void* current_context;
std::recursive_mutex mutex;
using Lock = std::lock_guard<std::recursive_mutex>;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NOT_FOUND = 500, LAUNCH_FAILED = 719 };

Counts counts;
// After so many more calls of a kind that one fails; 0 if none is to.
uint64_t failing[KINDS];
// A launch that fails takes the context with it.
bool lost;

// What has been queued and not been done.
struct Stream {
    std::deque<std::function<void()>> queue;
    uint64_t done = 0;

    uint64_t queued() const { return done + queue.size(); }
    void drain(uint64_t until) {
        while (done < until) {
            const std::function<void()> work = queue.front();
            work();
            queue.pop_front();
            ++done;
        }
    }
    void drain() { drain(queued()); }
};
Stream default_stream;
std::set<Stream*> streams = {&default_stream};
Stream& stream_of(void* handle) { return handle ? *(Stream*)handle : default_stream; }
void drain_all() {
    // What does not wait for other streams comes too early.
    default_stream.drain();
    for (Stream* stream : streams) stream->drain();
}

struct Event {
    Stream* stream = nullptr;
    uint64_t position = 0;
};

// The result of a call, which is counted.
int counted(Kind kind) {
    const Lock lock(mutex);
    if (current_context != CONTEXT) return INVALID_CONTEXT;
    ++counts.calls[kind];
    if (failing[kind] > 0 && --failing[kind] == 0) {
        if (kind == ALLOCATE) return OUT_OF_MEMORY;
        lost = true;
    }
    return lost ? LAUNCH_FAILED : SUCCESS;
}

std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

template <class T>
T number_at(const char* bytes) {
    T number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

// Where the tables of an ELF file end, which is not before its other parts do.
size_t length_of(const char* image) {
    const uint64_t programs = number_at<uint64_t>(image + 32) + number_at<uint16_t>(image + 54) * number_at<uint16_t>(image + 56);
    const uint64_t sections = number_at<uint64_t>(image + 40) + number_at<uint16_t>(image + 58) * number_at<uint16_t>(image + 60);
    return std::max(programs, sections);
}

// The source of a binary: of that entry of the cache which holds it.
std::string source_of(const char* image) {
    const std::string folder = getenv("KEOPS_CACHE");
    DIR* entries = opendir(folder.c_str());
    std::string found;
    while (dirent* entry = readdir(entries)) {
        const std::string name = entry->d_name;
        if (name.size() < 6 || name.substr(name.size() - 6) != ".cubin") continue;
        const std::string text = text_of(folder + "/" + name);
        if (text.size() < 16) continue;
        const uint64_t length = number_at<uint64_t>(text.data() + 8), begin = 16 + length + 8;
        if (text.size() <= begin) continue;
        const size_t size = std::min(length_of(image), (size_t)(text.size() - begin));
        if (memcmp(text.data() + begin, image, size) != 0) continue;
        const std::string key = text.substr(16, length);
        found = key.substr(key.find('\n') + 1);
    }
    closedir(entries);
    return found;
}

// The names of the kernels of a source.
std::vector<std::string> kernels_of(const std::string& source) {
    const std::string before = "extern \"C\" __global__ void __launch_bounds__(THREADS) ";
    std::vector<std::string> names;
    for (size_t at = source.find(before); at != std::string::npos; at = source.find(before, at + 1)) {
        const size_t name = at + before.size();
        names.push_back(source.substr(name, source.find('(', name) - name));
    }
    return names;
}

// The kernels of a source, compiled for the processor.
const Module* compiled(const std::string& source) {
    const std::string path = std::string(getenv("KEOPS_TEST_FOLDER")) + "/" + std::to_string(std::hash<std::string>()(source));
    const std::string library = path + ".so";
    if (!std::ifstream(library)) {
        std::ofstream file(path + ".cpp");
        file << "#include \"shim.h\"\n#include \"driver.h\"\nnamespace k {\n";
        std::string own = source;
        for (size_t at = own.find("extern \"C\" "); at != std::string::npos; at = own.find("extern \"C\" ", at)) own.replace(at, 11, "static ");
        file << own << "\nextern \"C\" const Module* keops_module() {\n    static const Module module = {{";
        for (const std::string& name : kernels_of(source)) file << "KEOPS_FUNCTION(" << name << "), ";
        file << "}};\n    return &module;\n}\n}\n";
        file.close();
        const std::string command = std::string(getenv("KEOPS_TEST_COMPILER")) + " " + path + ".cpp -o " + library + ".part && mv " + library + ".part " + library;
        if (system(command.c_str()) != 0) return nullptr;
    }
    void* opened = dlopen(library.c_str(), RTLD_NOW);
    if (!opened) return fprintf(stderr, "%s\n", dlerror()), nullptr;
    return ((const Module* (*)())dlsym(opened, "keops_module"))();
}

}  // namespace

extern "C" {

void keops_driver_counts(Counts* out) { *out = counts; }
void keops_driver_fail(Kind kind, uint64_t after) { failing[kind] = after; }
void keops_driver_repair() {
    lost = false;
    for (uint64_t& after : failing) after = 0;
}

int cuInit(unsigned) { return SUCCESS; }
int cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
int cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, SUCCESS; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
    // Multiprocessors, so few that small reductions are worth all that large ones are, the compute capability 9.0, and memory pools.
    *value = attribute == 16 ? 1 : attribute == 75 ? 9 : attribute == 115 ? atoi(getenv("KEOPS_TEST_POOLS")) : 0;
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = CONTEXT, SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxSetCurrent(void* context) { return current_context = context, SUCCESS; }
int cuCtxGetCurrent(void** context) { return *context = current_context, SUCCESS; }
int cuCtxSynchronize() {
    const Lock lock(mutex);
    return drain_all(), SUCCESS;
}
int cuGetErrorName(int, const char** text) { return *text = "error", SUCCESS; }
int cuGetErrorString(int, const char** text) { return *text = "an error of the driver of the tests", SUCCESS; }

int cuModuleLoadData(void** module, const void* image) {
    const Lock lock(mutex);
    if (current_context != CONTEXT) return INVALID_CONTEXT;
    if (memcmp(image, "\x7f" "ELF", 4) != 0) return INVALID_VALUE;
    const std::string source = source_of((const char*)image);
    const Module* found = source.empty() ? nullptr : compiled(source);
    return *module = (void*)found, found ? SUCCESS : NOT_FOUND;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    for (const Function& each : ((const Module*)module)->functions) {
        if (name == std::string(each.name)) return *function = (void*)&each, SUCCESS;
    }
    return NOT_FOUND;
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    const Lock lock(mutex);
    if (int error = counted(ALLOCATE)) return error;
    if (bytes == 0) return INVALID_VALUE;
    if (bytes > (1u << 28)) return OUT_OF_MEMORY;
    auto allocated = std::make_unique<Guarded>(bytes);
    *address = (uint64_t)allocated->data;
    memory[*address] = std::move(allocated);
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void** pool, int) { return *pool = nullptr, SUCCESS; }
int cuMemPoolSetAttribute(void*, int, void*) { return SUCCESS; }
int cuMemAllocAsync(uint64_t* address, size_t bytes, void* stream) {
    const Lock lock(mutex);
    if (int error = cuMemAlloc_v2(address, bytes)) return error;
    // Nobody may use it before.
    void* const memory = (void*)*address;
    stream_of(stream).queue.push_back([=] { memset(memory, 0xff, bytes); });
    return SUCCESS;
}
int cuMemFreeAsync(uint64_t address, void* stream) {
    const Lock lock(mutex);
    if (memory.count(address) != 1) return INVALID_VALUE;
    stream_of(stream).queue.push_back([=] { memory.erase(address); });
    return SUCCESS;
}
int cuMemFree_v2(uint64_t address) {
    const Lock lock(mutex);
    drain_all();
    return memory.erase(address) == 1 ? SUCCESS : INVALID_VALUE;
}
int cuMemGetInfo_v2(size_t* free, size_t* total) { return *free = *total = 1u << 28, SUCCESS; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
    const Lock lock(mutex);
    if (int error = counted(WRITE)) return error;
    counts.written += bytes;
    // The host may change what it has handed over.
    const std::vector<char> copy((const char*)from, (const char*)from + bytes);
    stream_of(stream).queue.push_back([=] { memcpy((void*)to, copy.data(), bytes); });
    return SUCCESS;
}
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr); }
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
    const Lock lock(mutex);
    if (int error = counted(READ)) return error;
    counts.read += bytes;
    // As with memory of the host that is not locked.
    stream_of(stream).drain();
    return memcpy(to, (void*)from, bytes), SUCCESS;
}
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr); }
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
    const Lock lock(mutex);
    if (int error = counted(COPY)) return error;
    stream_of(stream).queue.push_back([=] { memcpy((void*)to, (void*)from, bytes); });
    return SUCCESS;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void* stream) {
    const Lock lock(mutex);
    stream_of(stream).queue.push_back([=] { memset((void*)to, value, bytes); });
    return SUCCESS;
}

int cuStreamCreate(void** stream, unsigned) {
    const Lock lock(mutex);
    Stream* created = new Stream;
    streams.insert(created);
    return *stream = created, SUCCESS;
}
int cuStreamDestroy_v2(void* stream) {
    const Lock lock(mutex);
    stream_of(stream).drain();
    streams.erase((Stream*)stream);
    return delete (Stream*)stream, SUCCESS;
}
int cuStreamSynchronize(void* stream) {
    const Lock lock(mutex);
    return stream_of(stream).drain(), SUCCESS;
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
    const Lock lock(mutex);
    const Event recorded = *(Event*)event;
    if (!recorded.stream) return SUCCESS;
    stream_of(stream).queue.push_back([=] {
        if (streams.count(recorded.stream)) recorded.stream->drain(recorded.position);
    });
    return SUCCESS;
}
int cuEventCreate(void** event, unsigned) { return *event = new Event, SUCCESS; }
int cuEventDestroy_v2(void* event) { return delete (Event*)event, SUCCESS; }
int cuEventRecord(void* event, void* stream) {
    const Lock lock(mutex);
    Stream& of = stream_of(stream);
    *(Event*)event = {&of, of.queued()};
    return SUCCESS;
}

int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned, unsigned threads, unsigned, unsigned, unsigned, void* stream,
                   void** a, void**) {
    const Lock lock(mutex);
    if (int error = counted(LAUNCH)) return error;
    const Function& called = *(const Function*)function;
    if (threads != called.threads || x == 0 || y == 0 || y > 65535) return INVALID_VALUE;
    const std::function<void()> call = called.call(a);
    stream_of(stream).queue.push_back([=] { launch(x, y, threads, call); });
    return SUCCESS;
}

}  // extern "C"
