// Writes a file and reads it.
#include "faasm/faasm.h"
#include "faasm/files.h"
#include "faasm/input.h"

#include <stdio.h>
#include <sys/stat.h>

int main()
{
    const char *path = "conformance.txt";
    FILE *file = fopen(path, "w");
    if (file == nullptr || fputs("written", file) < 0 || fclose(file) != 0) {
        return 1;
    }
    struct stat st;
    if (faasm::getFileLength(path) != 7 || stat(path, &st) != 0 || st.st_size != 7 || faasm::getFileLength("absent") != -1) {
        return 2;
    }
    faasm::setStringOutput(faasm::readFileToString(path));
    return remove(path);
}
