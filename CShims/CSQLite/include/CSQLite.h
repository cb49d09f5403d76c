// SQLite 3. Imported by the stores of applications.
#pragma once
#include <sqlite3.h>

/// sqlite3_bind_text with SQLITE_TRANSIENT (a cast that Swift does not import): the text is copied.
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int count) {
    return sqlite3_bind_text(statement, index, text, count, SQLITE_TRANSIENT);
}
