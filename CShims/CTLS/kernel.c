// The keys of a connection as kernel TLS takes them (linux/tls.h, Documentation/networking/tls.rst). To set them on the
// socket is the business of the Loop floor.
#include "CTLS.h"
#include "secrets.h"
#include <linux/tls.h>
#include <openssl/crypto.h>
#include <string.h>

static void put_sequence(uint8_t *out, uint64_t sequence) {
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(sequence >> (56 - 8 * i));
}

// The nonce of TLS 1.3 (RFC 8446 section 5.3) lies in two fields, its first four bytes in `salt`.
size_t ctls_kernel_keys(const ctls_records *records, void *keys, size_t capacity) {
    union {
        struct tls12_crypto_info_aes_gcm_128 aes_128;
        struct tls12_crypto_info_aes_gcm_256 aes_256;
        struct tls12_crypto_info_chacha20_poly1305 chacha;
    } info;
    _Static_assert(sizeof info <= CTLS_KERNEL_KEYS_BYTES_MAX, "room for the largest");
    _Static_assert(sizeof info.chacha.iv == 12 && sizeof info.aes_128.iv == 8 && sizeof info.aes_128.salt == 4,
                   "the parts of a nonce");
    ctls_writing writing;
    if (!ctls_writing_of(records, &writing)) return 0;
    memset(&info, 0, sizeof info);
    info.aes_128.info.version = TLS_1_3_VERSION;
    size_t count = 0;
    switch (writing.cipher) {
    case 0:
        info.aes_128.info.cipher_type = TLS_CIPHER_AES_GCM_128;
        memcpy(info.aes_128.salt, writing.iv, sizeof info.aes_128.salt);
        memcpy(info.aes_128.iv, writing.iv + sizeof info.aes_128.salt, sizeof info.aes_128.iv);
        memcpy(info.aes_128.key, writing.key, sizeof info.aes_128.key);
        put_sequence(info.aes_128.rec_seq, writing.sequence);
        count = sizeof info.aes_128;
        break;
    case 1:
        info.aes_256.info.cipher_type = TLS_CIPHER_AES_GCM_256;
        memcpy(info.aes_256.salt, writing.iv, sizeof info.aes_256.salt);
        memcpy(info.aes_256.iv, writing.iv + sizeof info.aes_256.salt, sizeof info.aes_256.iv);
        memcpy(info.aes_256.key, writing.key, sizeof info.aes_256.key);
        put_sequence(info.aes_256.rec_seq, writing.sequence);
        count = sizeof info.aes_256;
        break;
    case 2:
        info.chacha.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
        memcpy(info.chacha.iv, writing.iv, sizeof info.chacha.iv);
        memcpy(info.chacha.key, writing.key, sizeof info.chacha.key);
        put_sequence(info.chacha.rec_seq, writing.sequence);
        count = sizeof info.chacha;
        break;
    default: break;
    }
    if (count > capacity) count = 0;
    memcpy(keys, &info, count);
    OPENSSL_cleanse(&info, sizeof info);
    return count;
}
