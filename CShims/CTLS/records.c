// The records of an established TLS 1.3 connection (RFC 8446 section 5), by keys taken over from OpenSSL's session.
//
// A session of OpenSSL at rest holds 14 KB and spends 1.3 µs on a small record. What an established connection needs of
// it is two keys, two counters, and the rule for the next keys: 300 bytes here, and 0.5 µs. The cipher itself stays
// OpenSSL's.
#include "CTLS.h"
#include "secrets.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 5,
    TAG_BYTES = 16,
    IV_BYTES = 12,
    KEY_BYTES_MAX = 32,
    PLAIN_BYTES_MAX = 1 << 14,
    // Section 5.2: what a record may grow by.
    SEALED_BYTES_MAX = PLAIN_BYTES_MAX + 256,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_DATA = 23,
    ALERT_CLOSE = 0,
    ALERT_UNEXPECTED = 10,
    ALERT_BAD_RECORD = 20,
    ALERT_OVERFLOW = 22,
    ALERT_CANCELED = 90,
    MESSAGE_KEY_UPDATE = 24,
};
// Section 5.5: well below 2^24.5 records under one key of AES-GCM.
static const uint64_t records_per_key_max = 1u << 23;

// One direction of one connection.
typedef struct side {
    uint8_t secret[SECRET_BYTES_MAX];
    uint8_t key[KEY_BYTES_MAX];
    uint8_t iv[IV_BYTES];
    uint64_t sequence;
    // Names the key among all of the process; a bench that has it set up need not set it up again.
    uint64_t key_number;
} side;

struct ctls_records {
    side read;
    side write;
    uint8_t secret_count;
    uint8_t cipher;
};

enum { CIPHERS = 3 };
static const struct {
    uint16_t suite;
    const char *name;
    uint8_t key_count, secret_count;
} ciphers[CIPHERS] = {
    {0x1301, "AES-128-GCM", 16, 32},
    {0x1302, "AES-256-GCM", 32, 48},
    {0x1303, "ChaCha20-Poly1305", 32, 32},
};

// Ciphers set up for a key, shared by all connections of a worker.
typedef struct tool {
    EVP_CIPHER_CTX *context;
    uint64_t key_number;
} tool;

struct ctls_bench {
    tool seal[CIPHERS];
    tool open[CIPHERS];
};

ctls_bench *ctls_bench_make(void) {
    ctls_bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) return NULL;
    for (int i = 0; i < CIPHERS; i++) {
        EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, ciphers[i].name, NULL);
        tool *tools[2] = {&bench->seal[i], &bench->open[i]};
        for (int j = 0; cipher != NULL && j < 2; j++) {
            EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
            if (context != NULL && EVP_CipherInit_ex(context, cipher, NULL, NULL, NULL, j == 0) != 1) {
                EVP_CIPHER_CTX_free(context);
                context = NULL;
            }
            tools[j]->context = context;
        }
        EVP_CIPHER_free(cipher);
    }
    ERR_clear_error();
    return bench;
}

void ctls_bench_free(ctls_bench *bench) {
    if (bench == NULL) return;
    for (int i = 0; i < CIPHERS; i++) {
        EVP_CIPHER_CTX_free(bench->seal[i].context);
        EVP_CIPHER_CTX_free(bench->open[i].context);
    }
    free(bench);
}

// MARK: Keys

static _Atomic uint64_t last_key_number;

// HKDF-Expand-Label with an empty context (section 7.1), for at most as many bytes as the hash has.
static int expand(const uint8_t *secret, size_t secret_count, const char *label, uint8_t *out, size_t count) {
    uint8_t info[64], block[EVP_MAX_MD_SIZE];
    size_t label_count = strlen(label), used = 0;
    info[used++] = (uint8_t)(count >> 8);
    info[used++] = (uint8_t)count;
    info[used++] = (uint8_t)(6 + label_count);
    memcpy(info + used, "tls13 ", 6);
    memcpy(info + used + 6, label, label_count);
    used += 6 + label_count;
    info[used++] = 0;
    info[used++] = 1;
    const EVP_MD *hash = secret_count == 48 ? EVP_sha384() : EVP_sha256();
    unsigned int block_count = sizeof block;
    if (HMAC(hash, secret, (int)secret_count, info, used, block, &block_count) == NULL || block_count < count) return 0;
    memcpy(out, block, count);
    OPENSSL_cleanse(block, sizeof block);
    return 1;
}

static int derive(const ctls_records *records, side *one) {
    one->sequence = 0;
    one->key_number = ++last_key_number;
    return expand(one->secret, records->secret_count, "key", one->key, ciphers[records->cipher].key_count) &&
           expand(one->secret, records->secret_count, "iv", one->iv, IV_BYTES);
}

// Section 7.2.
static int next_key(const ctls_records *records, side *one) {
    uint8_t secret[SECRET_BYTES_MAX];
    if (!expand(one->secret, records->secret_count, "traffic upd", secret, records->secret_count)) return 0;
    memcpy(one->secret, secret, records->secret_count);
    OPENSSL_cleanse(secret, sizeof secret);
    return derive(records, one);
}

ctls_records *ctls_records_make(uint16_t suite, const uint8_t *read_secret, size_t read_count,
                                const uint8_t *write_secret, size_t write_count, uint64_t written) {
    int index = 0;
    while (index < CIPHERS && ciphers[index].suite != suite) index++;
    if (index == CIPHERS || read_count != ciphers[index].secret_count || write_count != ciphers[index].secret_count)
        return NULL;
    ctls_records *records = calloc(1, sizeof *records);
    if (records == NULL) return NULL;
    records->cipher = (uint8_t)index;
    records->secret_count = ciphers[index].secret_count;
    memcpy(records->read.secret, read_secret, read_count);
    memcpy(records->write.secret, write_secret, write_count);
    if (!derive(records, &records->read) || !derive(records, &records->write)) {
        ctls_records_free(records);
        return NULL;
    }
    records->write.sequence = written;
    return records;
}

ctls_records *ctls_take_over(ctls_session *session) {
    const ctls_secrets *secrets = ctls_secrets_of(session);
    const SSL_CIPHER *used = SSL_get_current_cipher(session);
    // A client that wants short records (RFC 6066 section 4) gets them from OpenSSL.
    if (secrets == NULL || used == NULL || SSL_version(session) != TLS1_3_VERSION || secrets->late_records < 0 ||
        SSL_has_pending(session) || SSL_in_init(session) ||
        SSL_SESSION_get_max_fragment_length(SSL_get_session(session)) != TLSEXT_max_fragment_length_DISABLED)
        return NULL;
    return ctls_records_make(SSL_CIPHER_get_protocol_id(used), secrets->client, secrets->client_count,
                             secrets->server, secrets->server_count, (uint64_t)secrets->late_records);
}

void ctls_records_free(ctls_records *records) {
    if (records == NULL) return;
    OPENSSL_cleanse(records, sizeof *records);
    free(records);
}

// MARK: Records

static EVP_CIPHER_CTX *prepare(tool *tools, const ctls_records *records, side *one) {
    tool *chosen = &tools[records->cipher];
    if (chosen->context == NULL) return NULL;
    uint8_t nonce[IV_BYTES];
    memcpy(nonce, one->iv, IV_BYTES);
    for (int i = 0; i < 8; i++) nonce[IV_BYTES - 1 - i] ^= (uint8_t)(one->sequence >> (8 * i));
    int is_there = chosen->key_number == one->key_number;
    chosen->key_number = 0;
    if (EVP_CipherInit_ex(chosen->context, NULL, NULL, is_there ? NULL : one->key, nonce, -1) != 1) return NULL;
    chosen->key_number = one->key_number;
    one->sequence++;
    return chosen->context;
}

// One record of at most PLAIN_BYTES_MAX bytes: how many bytes it became, 0 on failure.
static size_t seal_one(ctls_bench *bench, ctls_records *records, uint8_t type, const uint8_t *bytes, size_t count,
                       uint8_t *out) {
    EVP_CIPHER_CTX *context = prepare(bench->seal, records, &records->write);
    if (context == NULL) return 0;
    size_t sealed = count + 1 + TAG_BYTES;
    out[0] = TYPE_DATA;
    out[1] = 3;
    out[2] = 3;
    out[3] = (uint8_t)(sealed >> 8);
    out[4] = (uint8_t)sealed;
    int first = 0, second = 0, last = 0;
    uint8_t *body = out + HEAD_BYTES;
    int good = EVP_EncryptUpdate(context, NULL, &first, out, HEAD_BYTES) == 1 &&
               EVP_EncryptUpdate(context, body, &first, bytes, (int)count) == 1 &&
               EVP_EncryptUpdate(context, body + first, &second, &type, 1) == 1 &&
               EVP_EncryptFinal_ex(context, body + first + second, &last) == 1 &&
               (size_t)(first + second + last) == count + 1 &&
               EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + count + 1) == 1;
    if (!good) ERR_clear_error();
    return good ? HEAD_BYTES + sealed : 0;
}

// Tells the peer that the next key follows, and takes it.
static size_t update_key(ctls_bench *bench, ctls_records *records, uint8_t *out) {
    static const uint8_t message[5] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 0};
    size_t count = seal_one(bench, records, TYPE_HANDSHAKE, message, sizeof message, out);
    return count > 0 && next_key(records, &records->write) ? count : 0;
}

size_t ctls_records_seal_one(ctls_bench *bench, ctls_records *records, const void *bytes, size_t count, uint8_t last,
                             uint8_t *out) {
    if (count + 1 + TAG_BYTES > SEALED_BYTES_MAX) return 0;
    return seal_one(bench, records, last, bytes, count, out);
}

size_t ctls_records_seal(ctls_bench *bench, ctls_records *records, const void *bytes, size_t count, uint8_t *out) {
    const uint8_t *next = bytes;
    size_t used = 0;
    if (records->write.sequence >= records_per_key_max) {
        used = update_key(bench, records, out);
        if (used == 0) return 0;
    }
    while (count > 0) {
        size_t part = count < PLAIN_BYTES_MAX ? count : PLAIN_BYTES_MAX;
        size_t sealed = seal_one(bench, records, TYPE_DATA, next, part, out + used);
        if (sealed == 0) return 0;
        used += sealed;
        next += part;
        count -= part;
    }
    return used;
}

static size_t alert(ctls_bench *bench, ctls_records *records, uint8_t what, uint8_t *out) {
    const uint8_t message[2] = {what == ALERT_CLOSE || what == ALERT_CANCELED ? 1 : 2, what};
    return seal_one(bench, records, TYPE_ALERT, message, sizeof message, out);
}

size_t ctls_records_end(ctls_bench *bench, ctls_records *records, uint8_t *out) {
    return alert(bench, records, ALERT_CLOSE, out);
}

int ctls_record_bytes(const uint8_t *head) {
    int length = head[3] << 8 | head[4];
    // Its version says nothing (section 5.1).
    if (head[0] != TYPE_DATA || length <= TAG_BYTES || length > SEALED_BYTES_MAX) return -1;
    return HEAD_BYTES + length;
}

static int fail(ctls_bench *bench, ctls_records *records, uint8_t what, ctls_wire *wire) {
    if (wire->out_capacity - wire->out_count >= CTLS_LATE_BYTES_MAX)
        wire->out_count += alert(bench, records, what, wire->out + wire->out_count);
    return CTLS_FAILED;
}

void ctls_records_refuse(ctls_bench *bench, ctls_records *records, ctls_wire *wire) {
    fail(bench, records, ALERT_UNEXPECTED, wire);
}

static int take_handshake(ctls_bench *bench, ctls_records *records, const uint8_t *bytes, size_t count,
                          ctls_wire *wire) {
    // Nothing but a key update may come, alone in its record: a message may not reach over a change of keys.
    if (count != 5 || bytes[0] != MESSAGE_KEY_UPDATE || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 1 ||
        bytes[4] > 1)
        return fail(bench, records, ALERT_UNEXPECTED, wire);
    if (!next_key(records, &records->read)) return CTLS_FAILED;
    if (bytes[4] == 0) return CTLS_LATE;
    if (wire->out_capacity - wire->out_count < CTLS_LATE_BYTES_MAX) return CTLS_FAILED;
    size_t answer = update_key(bench, records, wire->out + wire->out_count);
    wire->out_count += answer;
    return answer > 0 ? CTLS_LATE : CTLS_FAILED;
}

int ctls_records_open(ctls_bench *bench, ctls_records *records, uint8_t *record, size_t count, ctls_wire *wire) {
    // What `ctls_record_bytes` let pass; said again here, for a length taken wrong would reach far.
    if (count <= HEAD_BYTES + TAG_BYTES || count > HEAD_BYTES + SEALED_BYTES_MAX)
        return fail(bench, records, ALERT_OVERFLOW, wire);
    uint8_t *body = record + HEAD_BYTES;
    size_t sealed = count - HEAD_BYTES - TAG_BYTES;
    EVP_CIPHER_CTX *context = prepare(bench->open, records, &records->read);
    int got = 0, last = 0;
    if (context == NULL || EVP_DecryptUpdate(context, NULL, &got, record, HEAD_BYTES) != 1 ||
        EVP_DecryptUpdate(context, body, &got, body, (int)sealed) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, body + sealed) != 1 ||
        EVP_DecryptFinal_ex(context, body + got, &last) != 1) {
        ERR_clear_error();
        return fail(bench, records, ALERT_BAD_RECORD, wire);
    }
    size_t end = sealed;
    while (end > 0 && body[end - 1] == 0) end--;
    if (end == 0) return fail(bench, records, ALERT_UNEXPECTED, wire);
    uint8_t type = body[end - 1];
    size_t plain = end - 1;
    if (plain > PLAIN_BYTES_MAX) return fail(bench, records, ALERT_OVERFLOW, wire);
    switch (type) {
    case TYPE_DATA: return plain > 0 ? (int)plain + CTLS_DATA : CTLS_LATE;
    case TYPE_HANDSHAKE: return take_handshake(bench, records, body, plain, wire);
    case TYPE_ALERT:
        if (plain == 2 && body[1] == ALERT_CLOSE) return CTLS_ENDED;
        // A peer that cancels says goodbye next; every other alert is an end.
        return plain == 2 && body[1] == ALERT_CANCELED ? CTLS_LATE : CTLS_FAILED;
    default: return fail(bench, records, ALERT_UNEXPECTED, wire);
    }
}
