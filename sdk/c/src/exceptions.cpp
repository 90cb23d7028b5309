// C++ exceptions end the call. The toolchain's libc++abi has no way to unwind, and lacks these functions, without which a
// program that says throw, or a library that does, is not linked at all.
//
// Whoever throws is on standard error, with the type that was thrown and, of a std::exception, its what(); the call fails with
// guest_trapped and a backtrace. Nothing is caught.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <typeinfo>

#include <cxxabi.h>

namespace {

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "shoal: a C++ exception ends the call: %s\n", what);
    std::abort();
}

} // namespace

extern "C" {

void *__cxa_allocate_exception(std::size_t size) noexcept
{
    void *memory = std::malloc(size);
    if (memory == nullptr) {
        std::abort();
    }
    return memory;
}

void __cxa_free_exception(void *memory) noexcept
{
    std::free(memory);
}

void __cxa_throw(void *, std::type_info *type, void *(*)(void *))
{
    int status = -1;
    char *name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
    fail(status == 0 ? name : type->name());
}

void __cxa_rethrow()
{
    fail("thrown again");
}

void *__cxa_begin_catch(void *) noexcept
{
    fail("caught, which can't be");
}

void __cxa_end_catch()
{
}
}
