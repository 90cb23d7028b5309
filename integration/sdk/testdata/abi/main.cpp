#include <faasm/core.h>
#include <shoal.h>

#include <string>

int handle()
{
    shoal::call first = shoal::chain("upper", shoal::input()), second = shoal::chain("upper", "!x");
    std::string out = first.output() + second.output();
    std::string lost = "x";
    out += std::to_string(shoal::chain("fail", "").await());
    if (shoal::chain("fail", "").await(lost) != 3 || !lost.empty()) {
        return 1;
    }
    shoal::state key("k");
    {
        auto lock = key.lock();
        key.write("01ab456789");
        key.push();
        key.pull(10);
    }
    faasmAppendState("l", BYTES("onetwo"), 6);
    std::string list(6, '\0');
    faasmReadAppendedState("l", BYTES(list.data()), 6, 1);
    faasmClearAppendedState("l");
    shoal::output(out + key.read() + key.read().substr(3, 3) + list);
    return 0;
}
