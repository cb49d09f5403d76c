// What the benchmark meter measures with: allocations, counted in the process itself, and instructions, counted by
// valgrind's callgrind where the process runs under it.
#pragma once
#include <stdint.h>

/// Allocations of this process since its start: calls of malloc, calloc, realloc, aligned_alloc and their like.
uint64_t cmeter_allocations(void);

/// Whether the process runs under valgrind.
int cmeter_is_under_valgrind(void);
/// From here on callgrind counts.
void cmeter_start_counting(void);
/// Stops counting and makes callgrind write what it has counted, labelled with `name`; then it begins at zero.
void cmeter_stop_counting(const char *name);
