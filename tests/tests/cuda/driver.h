// Kernels as a driver launches them, with pointers to their arguments.

#include <cstddef>
#include <type_traits>
#include <utility>

struct Function {
    const char* name;
    unsigned threads;
    void (*call)(void** arguments);
};
struct Module {
    Function functions[2];
};

template <class... Arguments, size_t... N>
void call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<N...>) {
    kernel(*(std::remove_const_t<Arguments>*)arguments[N]...);
}
template <class... Arguments>
void call(void (*kernel)(Arguments...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Arguments...>());
}

// Behind the source of two kernels, in a namespace of their own.
#define KEOPS_MODULE(reduce, merge)                                            \
    static const Module module = {{                                            \
        {#reduce, THREADS, [](void** arguments) { call(reduce, arguments); }}, \
        {#merge, THREADS, [](void** arguments) { call(merge, arguments); }},   \
    }};
