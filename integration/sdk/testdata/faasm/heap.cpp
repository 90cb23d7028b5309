// Uses much memory, frees it and uses it again.
#include "faasm/faasm.h"
#include "faasm/input.h"

#include <malloc.h>
#include <map>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>

int main()
{
    for (int round = 0; round < 20; round++) { // 200 MiB in all, of 128
        std::unique_ptr<char[]> block(new char[10 << 20]);
        for (int i = 0; i < 10 << 20; i += 4096) {
            block[i] = static_cast<char>(round);
        }
    }
    int *zeros = static_cast<int *>(calloc(1 << 20, sizeof(int)));
    for (int i = 0; i < 1 << 20; i++) {
        if (zeros[i] != 0) {
            return 1;
        }
        zeros[i] = i;
    }
    zeros = static_cast<int *>(realloc(zeros, (2 << 20) * sizeof(int)));
    if (zeros[(1 << 20) - 1] != (1 << 20) - 1) {
        return 2;
    }
    void *aligned = aligned_alloc(4096, 8192);
    if (aligned == nullptr || reinterpret_cast<uintptr_t>(aligned) % 4096 != 0) {
        return 3;
    }
    std::map<std::string, std::vector<int>> lists;
    for (int i = 0; i < 10000; i++) {
        lists[std::to_string(i % 100)].push_back(i);
    }
    faasm::setStringOutput(std::to_string(lists["7"].size()).c_str());
    return 0;
}
