#include <faasm/faasm.h>
#include <faasm/input.h>

#include <string>

// A program in the manner of Faasm: main runs once for each call.
int main()
{
    std::string name = faasm::getStringInput("world");
    name = name.substr(0, name.find_first_of("\r\n"));
    faasm::setStringOutput(("Hello, " + name + ", from C++!\n").c_str());
    return 0;
}
