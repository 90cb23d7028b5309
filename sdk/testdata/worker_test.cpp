#include <faasm/array.h>
#include <faasm/compare.h>
#include <faasm/faasm.h>
#include <faasm/input.h>
#include <faasm/print.h>
#include <faasm/random.h>
#include <shoal.h>
#include <shoal/test.h>

int handle()
{
    faasm::AsyncArray<double> array("array", 3);
    array.zero();
    array[1] = 2.5;
    array.push();
    array.pull();
    array.data()[2] = array[1];
    double want[] = {0, 2.5, 2.5};
    if (!faasm::compareArrays(array.data(), want, 3)) {
        return 1;
    }
    int numbers[] = {1, 2}, others[] = {1, 3};
    if (faasm::compareArrays(numbers, others, 2) || faasm::randomInteger(3, 3) != 3 || faasm::randomString(5).size() != 5) {
        return 2;
    }
    int *range = faasm::randomIntRange(3);
    if (range[0] + range[1] + range[2] != 3 || faasm::randomFloat() >= 1) {
        return 3;
    }
    delete[] range;
    faasm::setStringOutput(faasm::getStringInput(""));
    return 0;
}

static int child()
{
    shoal::output(shoal::input() + "!");
    return shoal::input() == "fail" ? 3 : 0;
}

static int parent()
{
#if __cplusplus >= 201703L
    std::string output;
    shoal::call failing = shoal::chain("child", "fail");
    if (failing.await() != 3 || failing.await(output) != 3 || output != "fail!") {
        return 1;
    }
    shoal::state visits("visits");
    auto lock = visits.lock();
    visits.write("1");
    visits.push();
    visits.pull(1);
    if (visits.read() != "1" || visits.size() != 1 || shoal::state("none").read() != "") {
        return 2;
    }
    shoal::output(shoal::chain("child", shoal::input()).output());
#endif
    return 0;
}

int main()
{
    shoal_test_chain("child", child);
    SHOAL_TEST(parent, "hi", 0, "hi!");
    SHOAL_TEST(handle, "hello", 0, "hello");
    return shoal_test_end();
}
