// What the results of the load generator need of C: zlib for histograms (HdrHistogram, encoding V2), git for the
// commit, the width of the terminal.
#pragma once
#include <stddef.h>
#include <sys/types.h>
#include <zlib.h>

/// What `git ARGUMENTS` says in the folder of this program, its arguments separated by spaces: bytes written to `text`
/// (at most `max`), or -1 when there is no git, no work tree, or the command fails.
ssize_t cbreport_git(const char *arguments, char *text, size_t max);
/// Columns of the terminal behind a descriptor, 0 where there is none.
int cbreport_columns(int fd);
