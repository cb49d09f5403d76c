// Digests of OpenSSL 3 (libcrypto), as one-shot calls. Imported by the Pusher protocol (signatures).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// HMAC-SHA256 of `count` bytes; writes 32 bytes. 1 on success.
int ccrypto_hmac_sha256(const void *key, size_t keyCount, const void *bytes, size_t count, uint8_t *out);
/// MD5 of `count` bytes; writes 16 bytes. 1 on success.
int ccrypto_md5(const void *bytes, size_t count, uint8_t *out);
/// Whether two equally long byte strings are the same, in a time that does not depend on where they differ.
int ccrypto_equal(const void *left, const void *right, size_t count);
/// SHA-1 of `count` bytes; writes 20 bytes. 1 on success. (RFC 6455 section 4.2.2 asks for it; it guards nothing.)
int ccrypto_sha1(const void *bytes, size_t count, uint8_t *out);
