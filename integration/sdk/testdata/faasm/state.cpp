// Keeps state: values, parts of them, their addresses, lists, locks.
#include "faasm/array.h"
#include "faasm/faasm.h"
#include "faasm/input.h"
#include "faasm/state.h"

#include <string.h>

int main()
{
    const char *key = "conformance";
    uint8_t buffer[16] = {};
    faasmWriteState(key, BYTES(const_cast<char *>("0123456789")), 10);
    if (faasmReadStateSize(key) != 10 || faasmReadState(key, buffer, 10) != 10 || memcmp(buffer, "0123456789", 10) != 0) {
        return 1;
    }
    faasmWriteStateOffset(key, 10, 2, BYTES(const_cast<char *>("ab")), 2);
    faasmReadStateOffset(key, 10, 1, buffer, 4);
    if (memcmp(buffer, "1ab4", 4) != 0) {
        return 2;
    }
    faasmLockStateWrite(key);
    uint8_t *whole = faasmReadStatePtr(key, 10), *part = faasmReadStateOffsetPtr(key, 10, 4, 3);
    if (memcmp(whole, "01ab456789", 10) != 0 || memcmp(part, "456", 3) != 0 || faasmReadStatePtr(key, 10) != whole) {
        return 3;
    }
    whole[0] = 'x';
    faasmFlagStateDirty(key, 10);
    part[0] = 'y';
    faasmFlagStateOffsetDirty(key, 10, 4, 1);
    faasmUnlockStateWrite(key);
    faasmPushState(key);
    faasmPullState(key, 10);
    faasmLockStateRead(key);
    faasmReadState(key, buffer, 10);
    faasmUnlockStateRead(key);
    if (memcmp(buffer, "x1aby56789", 10) != 0) {
        return 4;
    }

    const char *list = "conformance_list";
    faasmClearAppendedState(list);
    faasmAppendState(list, BYTES(const_cast<char *>("one")), 3);
    faasmAppendState(list, BYTES(const_cast<char *>("two")), 3);
    faasmReadAppendedState(list, buffer, 6, 2);
    if (memcmp(buffer, "onetwo", 6) != 0) {
        return 5;
    }

    faasm::AsyncArray<double> array("conformance_array", 1000);
    array.zero();
    array[7] = 1.5;
    array[999] = 2.5;
    array.push();
    array.pull();
    if (array[7] != 1.5 || array.data()[999] != 2.5 || array[0] != 0) {
        return 6;
    }
    unsigned int mask[4] = {};
    faasm::maskDouble(mask, 1);
    if (mask[0] != 0 || mask[2] != BIT_MASK_32 || mask[3] != BIT_MASK_32) {
        return 7;
    }
    faasm::setStringOutput("kept");
    return 0;
}
