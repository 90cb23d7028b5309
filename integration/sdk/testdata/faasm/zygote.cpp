// A zygote in C++: constructors run before it, and never again.
#include "faasm/faasm.h"
#include "faasm/input.h"

#include <string>
#include <vector>

static int constructed;

struct Counted {
    Counted() { constructed++; }
    std::vector<std::string> words;
};

static Counted global;

FAASM_ZYGOTE()
{
    if (faasmGetInputSize() != 0) {
        return 1;
    }
    global.words = {"one", "two"};
    return 0;
}

int main()
{
    global.words.push_back(faasm::getStringInput("three"));
    std::string out = std::to_string(constructed);
    for (const std::string &word : global.words) {
        out += " " + word;
    }
    faasm::setStringOutput(out.c_str());
    return 0;
}
