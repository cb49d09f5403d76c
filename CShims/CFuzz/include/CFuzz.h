// libFuzzer's driver, for executables that have a `main` of their own. Links only with -sanitize=fuzzer.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Calls `one` with one input after another, as the arguments say (libFuzzer's own). Does not return before it is done.
int cfuzz_run(int argc, char **argv, int (*one)(const uint8_t *bytes, size_t count));
