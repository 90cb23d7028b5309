// Throws, which nothing catches: the call fails, and says what was thrown.
#include "faasm/faasm.h"

#include <stdexcept>

int main()
{
    try {
        throw std::runtime_error("deliberate");
    } catch (const std::exception &e) {
        return 0;
    }
}
