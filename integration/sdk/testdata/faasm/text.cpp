// Adds the numbers of its input.
#include "faasm/faasm.h"
#include "faasm/input.h"

#include <string>

int main(int argc, char *argv[])
{
    const char *text = faasm::getStringInput("1 2");
    int *numbers = faasm::parseStringToIntArray(text, 3);
    int sum = numbers[0] + numbers[1] + numbers[2];
    faasm::setStringOutput(std::to_string(sum).c_str());
    delete[] numbers;
    return faasm::getIntInput() == 13; // which is no list
}
