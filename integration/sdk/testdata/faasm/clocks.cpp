// Compares clocks, and sleeps.
#include "faasm/faasm.h"
#include "faasm/input.h"
#include "faasm/time.h"

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double monotonic()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main()
{
    FAASM_PROF_START(all)
    double began = monotonic();
    usleep(20000);
    struct timespec pause = {0, 5000000};
    nanosleep(&pause, nullptr);
    double took = monotonic() - began;
    if (took < 0.025 || took > 5) {
        return 1;
    }
    struct timeval day;
    gettimeofday(&day, nullptr);
    double seconds = faasm::getSecondsSinceEpoch();
    if (seconds < day.tv_sec || seconds > day.tv_sec + 2 || time(nullptr) < 1700000000 || clock() == static_cast<clock_t>(-1)) {
        return 2;
    }
    time_t then = 86400;
    struct tm *date = gmtime(&then);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%d", date);
    faasm::setStringOutput(text);
    FAASM_PROF_END(all)
    return 0;
}
