// The digests are called directly: OpenSSL 3 looks an algorithm up at each call of HMAC and EVP_Digest, which takes
// five times as long as a short text does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "CCrypto.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

/// SHA-256 of a block of the key, every byte of it under `mask`, and of `bytes` behind it (RFC 2104).
static int keyed(const uint8_t *block, uint8_t mask, const void *bytes, size_t count, uint8_t *out) {
    SHA256_CTX context;
    uint8_t pad[SHA256_CBLOCK];
    for (size_t i = 0; i < sizeof pad; i++) pad[i] = block[i] ^ mask;
    int done = SHA256_Init(&context) && SHA256_Update(&context, pad, sizeof pad)
        && SHA256_Update(&context, bytes, count) && SHA256_Final(out, &context);
    OPENSSL_cleanse(pad, sizeof pad);
    return done;
}

int ccrypto_hmac_sha256(const void *key, size_t keyCount, const void *bytes, size_t count, uint8_t *out) {
    uint8_t block[SHA256_CBLOCK] = {0}, inner[SHA256_DIGEST_LENGTH];
    if (keyCount > sizeof block) {
        if (!SHA256(key, keyCount, block)) return 0;
    } else if (keyCount > 0) {
        memcpy(block, key, keyCount);
    }
    int done = keyed(block, 0x36, bytes, count, inner) && keyed(block, 0x5C, inner, sizeof inner, out);
    OPENSSL_cleanse(block, sizeof block);
    return done;
}

int ccrypto_md5(const void *bytes, size_t count, uint8_t *out) {
    MD5_CTX context;
    return MD5_Init(&context) && MD5_Update(&context, bytes, count) && MD5_Final(out, &context);
}

int ccrypto_equal(const void *left, const void *right, size_t count) { return CRYPTO_memcmp(left, right, count) == 0; }

int ccrypto_sha1(const void *bytes, size_t count, uint8_t *out) {
    unsigned int length = 20;
    return EVP_Digest(bytes, count, out, &length, EVP_sha1(), NULL) && length == 20;
}
