// TLS by OpenSSL 3 (libssl), over bytes in memory. Imported by the Transport floor only.
//
// One BIO serves all sessions of a worker: it reads from and writes to the `ctls_wire` that was set up for the call at
// hand, so a connection at rest owns no buffer. Everything of one wire happens on one thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_st ctls_session;
typedef struct ssl_ctx_st ctls_context;
typedef struct bio_st ctls_bio;

/// What a call reads and writes. Set before each call; the call moves `in` on and adds to `out`.
typedef struct ctls_wire {
    const uint8_t *in;
    size_t in_count;
    uint8_t *out;
    size_t out_capacity;
    size_t out_count;
    /// Key updates, and whatever else of a handshake's kind came after the handshake.
    uint32_t late_messages;
} ctls_wire;

/// One certificate with its key.
typedef struct ctls_identity {
    /// PEM: the certificate, then those that lead from it to a root.
    const char *certificate_path;
    /// PEM.
    const char *key_path;
    /// DER, an answer of the certificate's OCSP responder; NULL for none.
    const char *ocsp_path;
} ctls_identity;

typedef struct ctls_options {
    const ctls_identity *identities;
    size_t identity_count;
    /// 12 or 13.
    int version_min;
    /// PEM; NULL: clients are not asked for a certificate.
    const char *client_ca_path;
    /// A client without a certificate is refused.
    int client_required;
} ctls_options;

/// A server's settings, or NULL with a sentence in `error`. It selects among the certificates by the name the client
/// asks for; the first is for everybody else. Sessions keep what they need of it, so it may be given up at any time.
ctls_context *ctls_context_make(const ctls_options *options, char *error, size_t error_capacity);
void ctls_context_free(ctls_context *context);
/// When the certificate that ends first ends, in seconds since 1970.
int64_t ctls_context_expiry(const ctls_context *context);

ctls_bio *ctls_bio_make(ctls_wire *wire);
void ctls_bio_free(ctls_bio *bio);

/// A new server session; NULL for want of memory.
ctls_session *ctls_session_make(ctls_context *context, ctls_bio *bio);
void ctls_session_free(ctls_session *session);

enum {
    CTLS_DONE = 1,
    /// More bytes of the peer are needed.
    CTLS_MORE = 0,
    /// The room for output is used up: take it away, and call again.
    CTLS_FULL = -1,
    /// The peer has ended its side in order.
    CTLS_ENDED = -2,
    /// The session cannot go on. What it has to say about that is in the output.
    CTLS_FAILED = -3,
};

/// Goes on with the handshake: CTLS_DONE, CTLS_MORE, CTLS_FULL or CTLS_FAILED.
int ctls_handshake(ctls_session *session);
/// Whether the handshake took up an earlier session.
int ctls_is_resumed(const ctls_session *session);
/// Reads at most `capacity` bytes: their count (> 0), or one of the values above but CTLS_DONE.
int ctls_read(ctls_session *session, void *bytes, int capacity);
/// Whether `ctls_read` has something to give without more input.
int ctls_has_pending(const ctls_session *session);
/// Encrypts all of `count` > 0 bytes. `out_capacity` must have room for `ctls_sealed_bound(count)`. 1, or 0 on failure.
int ctls_write(ctls_session *session, const void *bytes, size_t count);
/// Bytes that `count` bytes become at most.
size_t ctls_sealed_bound(size_t count);
/// Writes the message that ends our side; nothing when the session has failed.
void ctls_end(ctls_session *session);

// The records of an established connection, without the session: two keys and two counters.

typedef struct ctls_records ctls_records;
/// Ciphers at work for all connections of a worker.
typedef struct ctls_bench ctls_bench;

ctls_bench *ctls_bench_make(void);
void ctls_bench_free(ctls_bench *bench);

/// The keys of a session whose handshake was just done, before anything else was read or written by it. NULL when they
/// are not to be had, or its cipher is not known here: then the session goes on. Otherwise it is used no more.
ctls_records *ctls_take_over(ctls_session *session);
/// The same from secrets of the application's traffic, of a suite's hash's length each. `written`: records that were
/// written with them already. NULL when the suite is none of TLS 1.3 or the secrets are not its own.
ctls_records *ctls_records_make(uint16_t suite, const uint8_t *read_secret, size_t read_count,
                                const uint8_t *write_secret, size_t write_count, uint64_t written);

enum { CTLS_MASTER_BYTES = 48, CTLS_RANDOM_BYTES = 32 };
/// What the keys of TLS 1.2 are made of.
typedef struct ctls_master {
    uint8_t secret[CTLS_MASTER_BYTES];
    uint8_t client_random[CTLS_RANDOM_BYTES];
    uint8_t server_random[CTLS_RANDOM_BYTES];
} ctls_master;
/// Those of TLS 1.2; each side has read one record, the Finished. `written`: records that were written, 1 behind a
/// handshake. `first_nonce`: with GCM, what the first of them carried of its nonce. NULL when the suite is none of TLS
/// 1.2 with ECDHE and an AEAD cipher. `is_client` is for tests.
ctls_records *ctls_records_make_12(uint16_t suite, const ctls_master *master, int is_client, uint64_t first_nonce,
                                   uint64_t written);
void ctls_records_free(ctls_records *records);

enum {
    /// A record's head.
    CTLS_RECORD_HEAD_BYTES = 5,
    /// Something that is no data: a key update, an empty record.
    CTLS_LATE = 2,
    /// The peer wants a new key on a connection whose records the kernel makes, which has only the one. The goodbye is
    /// in the output, and no data may leave any more.
    CTLS_WORN = 3,
    /// Added to the count of bytes of data.
    CTLS_DATA = 16,
    /// Most bytes of what a record is answered with.
    CTLS_LATE_BYTES_MAX = 64,
};

/// All bytes of the record that begins with these five; -1 when it is none of this connection.
int ctls_record_bytes(const ctls_records *records, const uint8_t *head);
/// Opens the record of `count` bytes in place. CTLS_DATA + n: n > 0 bytes of data stand behind its head; CTLS_LATE,
/// CTLS_ENDED or CTLS_FAILED, with what is to be said about it added to `wire`.
int ctls_records_open(ctls_bench *bench, ctls_records *records, uint8_t *record, size_t count, ctls_wire *wire);
/// Tells the peer that what it sent is no record.
void ctls_records_refuse(ctls_bench *bench, ctls_records *records, ctls_wire *wire);
/// Encrypts `count` > 0 bytes to `out`, which has room for `ctls_sealed_bound(count)`. How many they became; 0 on
/// failure.
size_t ctls_records_seal(ctls_bench *bench, ctls_records *records, const void *bytes, size_t count, uint8_t *out);
/// Encrypts one record whose content is `bytes` and then `last`: the type, or the padding's last zero; in TLS 1.2 it is
/// the record's type. What a node sends is made by the functions around this; tests make with it what peers may send.
/// Its bytes; 0 on failure.
size_t ctls_records_seal_one(ctls_bench *bench, ctls_records *records, const void *bytes, size_t count, uint8_t last,
                             uint8_t *out);
/// Writes the message that ends our side to `out`, which has room for CTLS_LATE_BYTES_MAX. Its bytes.
size_t ctls_records_end(ctls_bench *bench, ctls_records *records, uint8_t *out);

// Kernel TLS: the kernel makes the records that leave, those that come are opened here as before.

enum { CTLS_KERNEL_KEYS_BYTES_MAX = 64 };

/// What TLS_TX is set to so that the kernel's first record is the next one. Its bytes; 0 when the records are none that
/// the kernel could make. To be wiped by who has used it.
size_t ctls_kernel_keys(const ctls_records *records, void *keys, size_t capacity);
/// The kernel has taken the keys: nothing is sealed here any more, and alerts are written as their two bytes.
void ctls_kernel_writes(ctls_records *records);

/// Gives back what this thread keeps for later use. The last call of a thread.
void ctls_thread_end(void);
