// What a session's handshake leaves for the records of the connection. Within this folder only.
#pragma once
#include <openssl/ssl.h>
#include <stdint.h>

enum { SECRET_BYTES_MAX = 48 };

typedef struct ctls_secrets {
    uint8_t client[SECRET_BYTES_MAX];
    uint8_t server[SECRET_BYTES_MAX];
    uint8_t client_count;
    uint8_t server_count;
    // Records that the server has written with the keys of the connection; -1 when that is not known.
    int late_records;
} ctls_secrets;

// NULL when there are none.
ctls_secrets *ctls_secrets_of(const SSL *session);
