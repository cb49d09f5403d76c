// What a session's handshake leaves for the records of the connection. Within this folder only.
#pragma once
#include "CTLS.h"
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_BYTES_MAX = 48 };

typedef struct ctls_secrets {
    uint8_t client[SECRET_BYTES_MAX];
    uint8_t server[SECRET_BYTES_MAX];
    uint8_t client_count;
    uint8_t server_count;
    // TLS 1.3: records that the server has written with the keys of the connection; -1 when that is not known.
    int late_records;
    // TLS 1.2: the same, once the server has changed to those keys.
    int changed_records;
    int has_changed;
    // TLS 1.2 with GCM: what the first of them carried of its nonce.
    uint64_t first_nonce;
} ctls_secrets;

// NULL when there are none.
ctls_secrets *ctls_secrets_of(const SSL *session);

// Counts what the server writes of TLS 1.2 with the keys of the connection, all that comes behind its change of keys,
// in what one step of the handshake has written.
void ctls_note_changed(ctls_secrets *secrets, const uint8_t *bytes, size_t count);

// What the next record that leaves is made with: TLS 1.3; `cipher` is AES-128-GCM, AES-256-GCM or ChaCha20-Poly1305.
typedef struct ctls_writing {
    const uint8_t *key;
    const uint8_t *iv;
    uint64_t sequence;
    int cipher;
} ctls_writing;

// 0 when the kernel makes the records, or they are none of TLS 1.3.
int ctls_writing_of(const ctls_records *records, ctls_writing *writing);
