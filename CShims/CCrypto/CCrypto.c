#include "CCrypto.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int ccrypto_hmac_sha256(const void *key, size_t keyCount, const void *bytes, size_t count, uint8_t *out) {
    unsigned int length = 32;
    return HMAC(EVP_sha256(), key, (int)keyCount, bytes, count, out, &length) != NULL && length == 32;
}

int ccrypto_md5(const void *bytes, size_t count, uint8_t *out) {
    unsigned int length = 16;
    return EVP_Digest(bytes, count, out, &length, EVP_md5(), NULL) && length == 16;
}

int ccrypto_equal(const void *left, const void *right, size_t count) { return CRYPTO_memcmp(left, right, count) == 0; }

int ccrypto_sha1(const void *bytes, size_t count, uint8_t *out) {
    unsigned int length = 20;
    return EVP_Digest(bytes, count, out, &length, EVP_sha1(), NULL) && length == 20;
}
