// Draws random numbers.
#include "faasm/faasm.h"
#include "faasm/input.h"
#include "faasm/random.h"

#include <algorithm>

int main()
{
    bool seen[6] = {};
    for (int i = 0; i < 1000; i++) {
        int n = faasm::randomInteger(1, 6);
        float f = faasm::randomFloat();
        if (n < 1 || n > 6 || f < 0 || f >= 1) {
            return 1;
        }
        seen[n - 1] = true;
    }
    int *range = faasm::randomIntRange(100);
    bool sorted = std::is_sorted(range, range + 100);
    std::sort(range, range + 100);
    if (sorted || range[0] != 0 || range[99] != 99 || !std::all_of(seen, seen + 6, [](bool b) { return b; })) {
        return 2;
    }
    faasm::setStringOutput(faasm::randomString(10).c_str());
    return faasm::randomString(20) == faasm::randomString(20);
}
