#include <faasm/faasm.h>
#include <faasm/input.h>

#include <stdexcept>
#include <string>

int main()
{
    std::string name = faasm::getStringInput("");
    if (name.empty()) {
        throw std::invalid_argument("nobody");
    }
    faasm::setStringOutput(("Hello, " + name + "!\n").c_str());
    return 0;
}
