// The records of an established connection (TLS 1.3: RFC 8446 section 5; TLS 1.2: RFC 5246 section 6, with RFC 5288 and
// RFC 7905 for the ciphers), by keys taken over from OpenSSL's session.
//
// A session of OpenSSL at rest holds 14 KB and spends 1.3 µs on a small record. What an established connection needs of
// it is two keys, two counters, and the rule for the next keys: 300 bytes here, and 0.5 µs. The cipher itself stays
// OpenSSL's.
#include "CTLS.h"
#include "secrets.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
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
    // RFC 5288 section 3: the part of the nonce that a record of TLS 1.2 carries, and the part that the keys hold.
    EXPLICIT_BYTES = 8,
    SALT_BYTES = IV_BYTES - EXPLICIT_BYTES,
    TYPE_CHANGE_CIPHER = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_DATA = 23,
    ALERT_CLOSE = 0,
    ALERT_UNEXPECTED = 10,
    ALERT_BAD_RECORD = 20,
    ALERT_OVERFLOW = 22,
    ALERT_CANCELED = 90,
    ALERT_NO_RENEGOTIATION = 100,
    MESSAGE_CLIENT_HELLO = 1,
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
    // TLS 1.2 with GCM: what the record with the number 0 carried of its nonce; the others count on from it.
    uint64_t first_nonce;
    // Names the key among all of the process; a bench that has it set up need not set it up again.
    uint64_t key_number;
} side;

struct ctls_records {
    side read;
    side write;
    // Of the hash that the keys are derived with.
    uint8_t secret_count;
    uint8_t cipher;
    uint8_t is_12;
    // EXPLICIT_BYTES where records carry a part of their nonce, otherwise 0.
    uint8_t explicit_count;
    // The kernel makes the records that leave (kernel.c).
    uint8_t is_kernels;
};

enum { CIPHERS = 3 };
static const struct {
    const char *name;
    uint8_t key_count;
} ciphers[CIPHERS] = {
    {"AES-128-GCM", 16},
    {"AES-256-GCM", 32},
    {"ChaCha20-Poly1305", 32},
};

static const struct {
    uint16_t number;
    uint8_t cipher, secret_count, is_12, explicit_count;
} suites[] = {
    {0x1301, 0, 32, 0, 0},
    {0x1302, 1, 48, 0, 0},
    {0x1303, 2, 32, 0, 0},
    // ECDHE with ECDSA and with RSA: RFC 5289, RFC 7905.
    {0xC02B, 0, 32, 1, EXPLICIT_BYTES},
    {0xC02F, 0, 32, 1, EXPLICIT_BYTES},
    {0xC02C, 1, 48, 1, EXPLICIT_BYTES},
    {0xC030, 1, 48, 1, EXPLICIT_BYTES},
    {0xCCA9, 2, 32, 1, 0},
    {0xCCA8, 2, 32, 1, 0},
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

// Without keys; NULL when there is no such suite.
static ctls_records *make(uint16_t suite, uint8_t is_12) {
    size_t index = 0, count = sizeof suites / sizeof suites[0];
    while (index < count && (suites[index].number != suite || suites[index].is_12 != is_12)) index++;
    ctls_records *records = index < count ? calloc(1, sizeof *records) : NULL;
    if (records == NULL) return NULL;
    records->cipher = suites[index].cipher;
    records->secret_count = suites[index].secret_count;
    records->is_12 = is_12;
    records->explicit_count = suites[index].explicit_count;
    return records;
}

ctls_records *ctls_records_make(uint16_t suite, const uint8_t *read_secret, size_t read_count,
                                const uint8_t *write_secret, size_t write_count, uint64_t written) {
    ctls_records *records = make(suite, 0);
    if (records == NULL) return NULL;
    if (read_count != records->secret_count || write_count != records->secret_count) {
        ctls_records_free(records);
        return NULL;
    }
    memcpy(records->read.secret, read_secret, read_count);
    memcpy(records->write.secret, write_secret, write_count);
    if (!derive(records, &records->read) || !derive(records, &records->write)) {
        ctls_records_free(records);
        return NULL;
    }
    records->write.sequence = written;
    return records;
}

// RFC 5246 section 6.3: the key block, for AEAD ciphers the keys and IVs of both sides.
static int expand_master(const ctls_records *records, const ctls_master *master, uint8_t *out, size_t count) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    if (context == NULL) return 0;
    char *hash = records->secret_count == 48 ? "SHA384" : "SHA256";
    // Seeds are put one behind the other.
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)master->secret, sizeof master->secret),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, "key expansion", strlen("key expansion")),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)master->server_random, CTLS_RANDOM_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)master->client_random, CTLS_RANDOM_BYTES),
        OSSL_PARAM_construct_end(),
    };
    int good = EVP_KDF_derive(context, out, count, parameters) == 1;
    EVP_KDF_CTX_free(context);
    return good;
}

ctls_records *ctls_records_make_12(uint16_t suite, const ctls_master *master, int is_client, uint64_t first_nonce,
                                   uint64_t written) {
    ctls_records *records = make(suite, 1);
    if (records == NULL) return NULL;
    uint8_t block[2 * (KEY_BYTES_MAX + IV_BYTES)];
    const size_t key_count = ciphers[records->cipher].key_count;
    const size_t iv_count = records->explicit_count > 0 ? SALT_BYTES : IV_BYTES;
    if (!expand_master(records, master, block, 2 * (key_count + iv_count))) {
        ERR_clear_error();
        ctls_records_free(records);
        return NULL;
    }
    side *sides[2] = {is_client ? &records->write : &records->read, is_client ? &records->read : &records->write};
    for (size_t i = 0; i < 2; i++) {
        memcpy(sides[i]->key, block + i * key_count, key_count);
        memcpy(sides[i]->iv, block + 2 * key_count + i * iv_count, iv_count);
        sides[i]->key_number = ++last_key_number;
    }
    OPENSSL_cleanse(block, sizeof block);
    // Each side's first record was its Finished.
    records->read.sequence = 1;
    records->write.sequence = written;
    records->write.first_nonce = first_nonce;
    return records;
}

void ctls_note_changed(ctls_secrets *secrets, const uint8_t *bytes, size_t count) {
    while (count > 0 && secrets->changed_records >= 0) {
        const size_t length = count < HEAD_BYTES ? 0 : HEAD_BYTES + ((size_t)bytes[3] << 8 | bytes[4]);
        if (length < HEAD_BYTES || length > count || (secrets->has_changed && length < HEAD_BYTES + EXPLICIT_BYTES)) {
            secrets->changed_records = -1;
            break;
        }
        if (secrets->has_changed && secrets->changed_records++ == 0) {
            const uint8_t *carried = bytes + HEAD_BYTES;
            for (int i = 0; i < EXPLICIT_BYTES; i++) secrets->first_nonce = secrets->first_nonce << 8 | carried[i];
        }
        if (bytes[0] == TYPE_CHANGE_CIPHER) secrets->has_changed = 1;
        bytes += length;
        count -= length;
    }
}

static ctls_records *take_over_12(ctls_session *session, const ctls_secrets *secrets, uint16_t suite) {
    ctls_master master;
    const int is_whole =
        SSL_SESSION_get_master_key(SSL_get_session(session), master.secret, sizeof master.secret) ==
            sizeof master.secret &&
        SSL_get_client_random(session, master.client_random, CTLS_RANDOM_BYTES) == CTLS_RANDOM_BYTES &&
        SSL_get_server_random(session, master.server_random, CTLS_RANDOM_BYTES) == CTLS_RANDOM_BYTES;
    // One record, the Finished; its nonce is known then.
    ctls_records *records = is_whole && secrets->changed_records == 1
                                ? ctls_records_make_12(suite, &master, 0, secrets->first_nonce, 1) : NULL;
    OPENSSL_cleanse(&master, sizeof master);
    return records;
}

ctls_records *ctls_take_over(ctls_session *session) {
    const ctls_secrets *secrets = ctls_secrets_of(session);
    const SSL_CIPHER *used = SSL_get_current_cipher(session);
    // A client that wants short records (RFC 6066 section 4) gets them from OpenSSL.
    if (secrets == NULL || used == NULL || SSL_has_pending(session) || SSL_in_init(session) ||
        SSL_SESSION_get_max_fragment_length(SSL_get_session(session)) != TLSEXT_max_fragment_length_DISABLED)
        return NULL;
    const uint16_t suite = SSL_CIPHER_get_protocol_id(used);
    switch (SSL_version(session)) {
    case TLS1_2_VERSION: return take_over_12(session, secrets, suite);
    case TLS1_3_VERSION:
        if (secrets->late_records < 0) return NULL;
        return ctls_records_make(suite, secrets->client, secrets->client_count, secrets->server,
                                 secrets->server_count, (uint64_t)secrets->late_records);
    default: return NULL;
    }
}

void ctls_records_free(ctls_records *records) {
    if (records == NULL) return;
    OPENSSL_cleanse(records, sizeof *records);
    free(records);
}

// MARK: Records

static void put_number(uint8_t *out, uint64_t number) {
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(number >> (56 - 8 * i));
}

// Sets up the side's cipher for its next record. `carried`: what that record carries of its nonce, if it does.
static EVP_CIPHER_CTX *prepare(tool *tools, const ctls_records *records, side *one, const uint8_t *carried) {
    tool *chosen = &tools[records->cipher];
    if (chosen->context == NULL) return NULL;
    uint8_t nonce[IV_BYTES];
    memcpy(nonce, one->iv, IV_BYTES);
    if (records->explicit_count > 0) {
        memcpy(nonce + SALT_BYTES, carried, EXPLICIT_BYTES);
    } else {
        for (int i = 0; i < 8; i++) nonce[IV_BYTES - 1 - i] ^= (uint8_t)(one->sequence >> (8 * i));
    }
    int is_there = chosen->key_number == one->key_number;
    chosen->key_number = 0;
    if (EVP_CipherInit_ex(chosen->context, NULL, NULL, is_there ? NULL : one->key, nonce, -1) != 1) return NULL;
    chosen->key_number = one->key_number;
    one->sequence++;
    return chosen->context;
}

enum { COVERED_BYTES_MAX = 8 + HEAD_BYTES };

// What a record's tag covers besides its content. Their count.
static int cover(const ctls_records *records, uint64_t sequence, const uint8_t *head, size_t plain, uint8_t *out) {
    if (!records->is_12) {
        memcpy(out, head, HEAD_BYTES);
        return HEAD_BYTES;
    }
    // RFC 5246 section 6.2.3.3.
    put_number(out, sequence);
    memcpy(out + 8, head, 3);
    out[11] = (uint8_t)(plain >> 8);
    out[12] = (uint8_t)plain;
    return COVERED_BYTES_MAX;
}

// One record of at most PLAIN_BYTES_MAX bytes: how many bytes it became, 0 on failure.
static size_t seal_one(ctls_bench *bench, ctls_records *records, uint8_t type, const uint8_t *bytes, size_t count,
                       uint8_t *out) {
    const uint64_t sequence = records->write.sequence;
    const size_t explicit_count = records->explicit_count, type_count = records->is_12 ? 0 : 1;
    const size_t sealed = explicit_count + count + type_count + TAG_BYTES;
    out[0] = records->is_12 ? type : TYPE_DATA;
    out[1] = 3;
    out[2] = 3;
    out[3] = (uint8_t)(sealed >> 8);
    out[4] = (uint8_t)sealed;
    uint8_t *body = out + HEAD_BYTES + explicit_count, covered[COVERED_BYTES_MAX];
    if (explicit_count > 0) put_number(out + HEAD_BYTES, records->write.first_nonce + sequence);
    EVP_CIPHER_CTX *context = prepare(bench->seal, records, &records->write, out + HEAD_BYTES);
    if (context == NULL) return 0;
    int first = 0, second = 0, last = 0;
    int good = EVP_EncryptUpdate(context, NULL, &first, covered, cover(records, sequence, out, count, covered)) == 1 &&
               EVP_EncryptUpdate(context, body, &first, bytes, (int)count) == 1 &&
               EVP_EncryptUpdate(context, body + first, &second, &type, (int)type_count) == 1 &&
               EVP_EncryptFinal_ex(context, body + first + second, &last) == 1 &&
               (size_t)(first + second + last) == count + type_count &&
               EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + count + type_count) == 1;
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
    if (!records->is_12 && records->write.sequence >= records_per_key_max) {
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
    const uint8_t message[2] = {what == ALERT_CLOSE || what == ALERT_NO_RENEGOTIATION ? 1 : 2, what};
    // The content alone: the kernel is told its type.
    if (records->is_kernels) {
        memcpy(out, message, sizeof message);
        return sizeof message;
    }
    return seal_one(bench, records, TYPE_ALERT, message, sizeof message, out);
}

size_t ctls_records_end(ctls_bench *bench, ctls_records *records, uint8_t *out) {
    return alert(bench, records, ALERT_CLOSE, out);
}

// What the body of a record holds at least and at most.
static size_t body_min(const ctls_records *records) {
    // In TLS 1.3 there is a type at least.
    return records->is_12 ? (size_t)records->explicit_count + TAG_BYTES : TAG_BYTES + 1;
}

static size_t body_max(const ctls_records *records) {
    return records->is_12 ? body_min(records) + PLAIN_BYTES_MAX : SEALED_BYTES_MAX;
}

int ctls_record_bytes(const ctls_records *records, const uint8_t *head) {
    const size_t length = (size_t)head[3] << 8 | head[4];
    // In TLS 1.3 the version says nothing (section 5.1), and all types look like data.
    if (records->is_12 ? head[0] < TYPE_CHANGE_CIPHER || head[0] > TYPE_DATA || head[1] != 3 || head[2] != 3
                       : head[0] != TYPE_DATA)
        return -1;
    if (length < body_min(records) || length > body_max(records)) return -1;
    return HEAD_BYTES + (int)length;
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
    if (records->is_12) {
        // A client that wants to shake hands again is told that nobody else does (RFC 5246 section 7.2.2).
        if (count == 0 || bytes[0] != MESSAGE_CLIENT_HELLO) return fail(bench, records, ALERT_UNEXPECTED, wire);
        if (wire->out_capacity - wire->out_count < CTLS_LATE_BYTES_MAX) return CTLS_FAILED;
        size_t answer = alert(bench, records, ALERT_NO_RENEGOTIATION, wire->out + wire->out_count);
        wire->out_count += answer;
        return answer > 0 ? CTLS_LATE : CTLS_FAILED;
    }
    // Nothing but a key update may come, alone in its record: a message may not reach over a change of keys.
    if (count != 5 || bytes[0] != MESSAGE_KEY_UPDATE || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 1 ||
        bytes[4] > 1)
        return fail(bench, records, ALERT_UNEXPECTED, wire);
    if (!next_key(records, &records->read)) return CTLS_FAILED;
    if (bytes[4] == 0) return CTLS_LATE;
    if (wire->out_capacity - wire->out_count < CTLS_LATE_BYTES_MAX) return CTLS_FAILED;
    if (records->is_kernels) {
        // The kernel keeps its key, and no data may leave by it any more (section 4.6.3).
        wire->out_count += alert(bench, records, ALERT_CLOSE, wire->out + wire->out_count);
        return CTLS_WORN;
    }
    size_t answer = update_key(bench, records, wire->out + wire->out_count);
    wire->out_count += answer;
    return answer > 0 ? CTLS_LATE : CTLS_FAILED;
}

static int take_alert(const ctls_records *records, const uint8_t *bytes, size_t count) {
    if (count != 2) return CTLS_FAILED;
    if (bytes[1] == ALERT_CLOSE) return CTLS_ENDED;
    // A peer that cancels says goodbye next; every other alert is an end, but for warnings of TLS 1.2.
    if (records->is_12 && bytes[0] == 1) return CTLS_LATE;
    return bytes[1] == ALERT_CANCELED ? CTLS_LATE : CTLS_FAILED;
}

int ctls_records_open(ctls_bench *bench, ctls_records *records, uint8_t *record, size_t count, ctls_wire *wire) {
    // What `ctls_record_bytes` let pass; said again here, for a length taken wrong would reach far.
    if (count < HEAD_BYTES + body_min(records) || count > HEAD_BYTES + body_max(records))
        return fail(bench, records, ALERT_OVERFLOW, wire);
    const size_t explicit_count = records->explicit_count;
    const size_t sealed = count - HEAD_BYTES - explicit_count - TAG_BYTES;
    uint8_t *body = record + HEAD_BYTES + explicit_count, covered[COVERED_BYTES_MAX];
    const int covered_count = cover(records, records->read.sequence, record, sealed, covered);
    EVP_CIPHER_CTX *context = prepare(bench->open, records, &records->read, record + HEAD_BYTES);
    int got = 0, last = 0;
    if (context == NULL || EVP_DecryptUpdate(context, NULL, &got, covered, covered_count) != 1 ||
        EVP_DecryptUpdate(context, body, &got, body, (int)sealed) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, body + sealed) != 1 ||
        EVP_DecryptFinal_ex(context, body + got, &last) != 1) {
        ERR_clear_error();
        return fail(bench, records, ALERT_BAD_RECORD, wire);
    }
    size_t plain = sealed;
    uint8_t type = record[0];
    if (records->is_12) {
        // Data stands behind the head.
        if (explicit_count > 0) body = memmove(record + HEAD_BYTES, body, plain);
    } else {
        while (plain > 0 && body[plain - 1] == 0) plain--;
        if (plain == 0) return fail(bench, records, ALERT_UNEXPECTED, wire);
        type = body[--plain];
        if (plain > PLAIN_BYTES_MAX) return fail(bench, records, ALERT_OVERFLOW, wire);
    }
    switch (type) {
    case TYPE_DATA: return plain > 0 ? (int)plain + CTLS_DATA : CTLS_LATE;
    case TYPE_HANDSHAKE: return take_handshake(bench, records, body, plain, wire);
    case TYPE_ALERT: return take_alert(records, body, plain);
    default: return fail(bench, records, ALERT_UNEXPECTED, wire);
    }
}

// MARK: The kernel's part

int ctls_writing_of(const ctls_records *records, ctls_writing *writing) {
    if (records->is_kernels || records->is_12) return 0;
    *writing = (ctls_writing){
        .key = records->write.key,
        .iv = records->write.iv,
        .sequence = records->write.sequence,
        .cipher = records->cipher,
    };
    return 1;
}

void ctls_kernel_writes(ctls_records *records) {
    records->is_kernels = 1;
    OPENSSL_cleanse(&records->write, sizeof records->write);
}
