// Reads launches from the standard input, runs them, and writes their results to the standard output.

#include <setjmp.h>

#include <algorithm>

#include "shim.h"

extern const Kernel* const kernels[];

Index3 threadIdx, blockIdx, gridDim;

namespace {

// Threads stay for all blocks: one that has finished waits for the next. Only the first entry into one is a switch of the system's, which saves
// signals each time and takes far longer.
struct Thread {
    ucontext_t context;
    jmp_buf place;
    std::vector<char> stack;
    bool begun, finished;
};
std::vector<Thread> threads;
jmp_buf scheduler;
unsigned current;
std::function<void()> body;

[[noreturn]] void fail(const char* what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

// From a thread to the scheduler, until the thread's next turn.
void give_turn() {
    if (_setjmp(threads[current].place) == 0) _longjmp(scheduler, 1);
}

void run_thread() {
    for (;;) {
        body();
        threads[current].finished = true;
        give_turn();
    }
}

// From the scheduler to the current thread, until it gives its turn back.
void resume() {
    Thread& thread = threads[current];
    if (_setjmp(scheduler) != 0) return;
    if (thread.begun) _longjmp(thread.place, 1);
    thread.begun = true;
    setcontext(&thread.context);
}

void run_block(unsigned count) {
    if (threads.size() < count) {
        threads = std::vector<Thread>(count);
        for (Thread& thread : threads) {
            thread.stack.resize(1 << 18);
            getcontext(&thread.context);
            thread.context.uc_stack.ss_sp = thread.stack.data();
            thread.context.uc_stack.ss_size = thread.stack.size();
            thread.context.uc_link = nullptr;
            makecontext(&thread.context, run_thread, 0);
        }
    }
    for (unsigned n = 0; n < count; ++n) threads[n].finished = false;
    for (unsigned finished = 0; finished < count;) {
        finished = 0;
        for (current = 0; current < count; ++current) {
            threadIdx = {current, 0, 0};
            resume();
            finished += threads[current].finished;
        }
        if (finished != 0 && finished != count) fail("some threads of a block are at a barrier that others never reach");
    }
}

void launch(unsigned blocks, unsigned parts, unsigned count, std::function<void()> kernel) {
    body = kernel;
    gridDim = {blocks, parts, 1};
    for (unsigned y = 0; y < parts; ++y) {
        for (unsigned x = 0; x < blocks; ++x) {
            blockIdx = {x, y, 0};
            run_block(count);
        }
    }
}

// Memory that ends where no memory is, so that reading or writing behind it ends the program.
struct Guarded {
    char* data;
    char* pages;
    size_t mapped;

    explicit Guarded(size_t bytes) {
        const size_t page = 4096;
        mapped = (bytes + page - 1) / page * page + page;
        pages = (char*)mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || mprotect(pages + mapped - page, page, PROT_NONE) != 0) fail("no memory");
        data = pages + mapped - page - bytes;
        memset(data, 0xff, bytes);
    }
    Guarded(const Guarded&) = delete;
    ~Guarded() { munmap(pages, mapped); }
};

void read(void* to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes) fail("the input ends early");
}

}  // namespace

void __syncthreads() { give_turn(); }

namespace {
// What the thread of each number passes.
std::vector<double> passed;
}  // namespace

double __shfl_sync(unsigned, double value, int lane) {
    const unsigned self = current;
    passed.resize(threads.size());
    passed[self] = value;
    __syncthreads();
    const double found = passed[self / 32 * 32 + lane % 32];
    __syncthreads();
    return found;
}
float __shfl_sync(unsigned mask, float value, int lane) { return (float)__shfl_sync(mask, (double)value, lane); }

int main() {
    // The kernel, sizes as in Launch, and the bytes of its arrays.
    uint64_t header[14];
    while (fread(header, 1, sizeof header, stdin) == sizeof header) {
        const Kernel& kernel = *kernels[header[0]];
        Guarded params(header[7]), rows(header[8]), columns(header[9]), weights(header[10]);
        read(params.data, header[7]);
        read(rows.data, header[8]);
        read(columns.data, header[9]);
        read(weights.data, header[10]);
        Guarded totals(header[11]), values(header[12]), indices(header[13]);
        const Launch arguments = {params.data, rows.data, columns.data, weights.data, header[1], header[2], header[3],
                                  header[4],   header[5], header[6],    totals.data,  values.data, indices.data};
        const uint64_t block = kernel.threads * kernel.rows;
        const unsigned blocks = (arguments.row_count + block - 1) / block;
        const unsigned merging = (arguments.row_count + kernel.threads - 1) / kernel.threads;
        if (kernel.mirrored) {
            const uint64_t length = arguments.part_length, offsets = blocks / 2 + 1;
            for (uint64_t first = 0; first < offsets; first += length) {
                Launch part = arguments;
                part.first = first;
                part.offsets = std::min(length, offsets - first);
                part.parts = std::min(part.offsets, arguments.parts);
                part.blocks = blocks;
                launch(blocks, part.parts, kernel.threads, [&] { kernel.reduce(part); });
                launch(merging, 1, kernel.threads, [&] { kernel.merge(part); });
            }
        } else {
            launch(blocks, arguments.parts, kernel.threads, [&] { kernel.reduce(arguments); });
            if (arguments.parts > 1) launch(merging, 1, kernel.threads, [&] { kernel.merge(arguments); });
        }
        fwrite(values.data, 1, header[12], stdout);
        if (!kernel.mirrored) fwrite(indices.data, 1, header[13], stdout);
    }
    return 0;
}
