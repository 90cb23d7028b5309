// Chains calls: by name, by pointer, many, with their outputs and exit codes.
#include "faasm/faasm.h"
#include "faasm/input.h"

#include <string>

static int child()
{
    std::string in = faasm::getStringInput("");
    if (in == "fail") {
        return 3;
    }
    faasm::setStringOutput(("child of " + in).c_str());
    return 0;
}

static unsigned int start(const char *name, const char *text)
{
    std::string in = text;
    return name == nullptr ? faasmChain(child, BYTES(in.data()), in.size()) : faasmChainNamed(name, BYTES(in.data()), in.size());
}

int main()
{
    char *output = nullptr;
    int size = 0;
    unsigned int named = start("input-output", "olleh"), pointed = start(nullptr, "me"), failing = start(nullptr, "fail");
    if (faasmAwaitCallOutput(named, &output, &size) != 0 || std::string(output, size) != "hello") {
        return 1;
    }
    free(output);
    if (faasmAwaitCallOutput(pointed, &output, &size) != 0 || std::string(output, size) != "child of me") {
        return 2;
    }
    free(output);
    if (faasmAwaitCall(failing) != 3) {
        return 3;
    }
    if (faasmChainBatch(child, "batch", 5) != 0 || faasmChainBatch(child, "fail", 2) != 3) {
        return 4;
    }
    faasm::setStringOutput("chained");
    return 0;
}
