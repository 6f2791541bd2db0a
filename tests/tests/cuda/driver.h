// Kernels as a driver launches them, with pointers to their arguments, and what a driver counts.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

struct Function {
    const char* name;
    unsigned threads;
    // The call with these arguments, which are copied.
    std::function<void()> (*call)(void** arguments);
};
struct Module {
    std::vector<Function> functions;
};

template <class... Arguments, size_t... N>
std::function<void()> call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<N...>) {
    std::tuple<std::remove_const_t<Arguments>...> copies(*(std::remove_const_t<Arguments>*)arguments[N]...);
    return [=] { std::apply(kernel, copies); };
}
template <class... Arguments>
std::function<void()> call(void (*kernel)(Arguments...), void** arguments) {
    return call(kernel, arguments, std::index_sequence_for<Arguments...>());
}

// A kernel of the namespace in which it stands.
#define KEOPS_FUNCTION(kernel) Function{#kernel, THREADS, [](void** arguments) { return call(kernel, arguments); }}

// Calls that the tests count, and that they can make fail.
enum Kind : uint64_t { LAUNCH, ALLOCATE, WRITE, READ, COPY, KINDS };
struct Counts {
    uint64_t calls[KINDS];
    // Bytes that the host has written and read.
    uint64_t written, read;
};
