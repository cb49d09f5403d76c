// libpq. Imported by the stores of applications.
#pragma once
// Debian keeps the header of libpq in a folder of its own.
#if __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#include <libpq-fe.h>
#endif
