// For the tests of the sandbox: what somebody who has taken over a node would try. Never part of a node.
#pragma once
#include <stdint.h>

/// Tries what a node never does. The first that does not fail with EPERM, or NULL.
const char *csandboxtries_allowed(void);
/// Tries what a node does all the time. The first that fails, or NULL.
const char *csandboxtries_refused(void);
/// 1: this process may leave a core dump.
int csandboxtries_is_dumpable(void);
/// Listens on a TCP port of 127.0.0.1 for a moment. 0, or an errno.
int csandboxtries_listen(uint16_t port);
