#include "CFuzz.h"

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *, size_t));

static int (*target)(const uint8_t *, size_t);

// libFuzzer's own `main` wants this name, and is linked whether it is used or not.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) { return target(bytes, count); }

int cfuzz_run(int argc, char **argv, int (*one)(const uint8_t *, size_t)) {
    target = one;
    return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput);
}
