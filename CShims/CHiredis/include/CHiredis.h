// hiredis. Imported by the stores of applications.
#pragma once
#include <hiredis/hiredis.h>

/// The message of the context's last error; empty when there is none.
static inline const char *chiredis_error(const redisContext *context) { return context->errstr; }
/// Whether the context has failed and must not be used again.
static inline int chiredis_failed(const redisContext *context) { return context->err != 0; }
/// redisCommandArgv, which is variadic in the types of its arrays.
static inline redisReply *chiredis_command(
    redisContext *context, int count, const char **arguments, const size_t *counts) {
    return (redisReply *)redisCommandArgv(context, count, arguments, counts);
}
static inline redisReply *chiredis_element(const redisReply *reply, size_t index) { return reply->element[index]; }
