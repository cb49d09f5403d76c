// RAND_METHOD is deprecated and has no follower that is as short.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "FuzzClient.h"
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fuzz_client {
    SSL *ssl;
    BIO *in;
    BIO *out;
    int is_done;
    int has_failed;
};

// SplitMix64.
static uint64_t state;

static int random_bytes(unsigned char *bytes, int count) {
    for (int i = 0; i < count; i++) {
        uint64_t value = state += 0x9E3779B97F4A7C15;
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
        value = (value ^ value >> 27) * 0x94D049BB133111EB;
        bytes[i] = (unsigned char)(value ^ value >> 31);
    }
    return 1;
}

static int is_ready(void) { return 1; }

void fuzz_client_seed(uint64_t seed) {
    static const RAND_METHOD method = {.bytes = random_bytes, .pseudorand = random_bytes, .status = is_ready};
    if (RAND_get_rand_method() != &method) RAND_set_rand_method(&method);
    state = seed;
}

static FILE *make_file(char *path, size_t capacity) {
    snprintf(path, capacity, "/tmp/clarion-fuzz-XXXXXX");
    int descriptor = mkstemp(path);
    return descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
}

int fuzz_client_identity(char *certificate_path, char *key_path, size_t capacity) {
    fuzz_client_seed(1);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    FILE *files[2] = {make_file(certificate_path, capacity), make_file(key_path, capacity)};
    int good = key != NULL && certificate != NULL && files[0] != NULL && files[1] != NULL;
    if (good) {
        X509_set_version(certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20200101000000Z");
        ASN1_TIME_set_string(X509_getm_notAfter(certificate), "21200101000000Z");
        X509_NAME *name = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a", -1, -1, 0);
        X509_set_issuer_name(certificate, name);
        X509_set_pubkey(certificate, key);
        good = X509_sign(certificate, key, EVP_sha256()) > 0 && PEM_write_X509(files[0], certificate) == 1 &&
               PEM_write_PrivateKey(files[1], key, NULL, NULL, 0, NULL, NULL) == 1;
    }
    for (int i = 0; i < 2; i++)
        if (files[i] != NULL && fclose(files[i]) != 0) good = 0;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

fuzz_client *fuzz_client_make(uint8_t choice) {
    static SSL_CTX *context;
    if (context == NULL) context = SSL_CTX_new(TLS_client_method());
    fuzz_client *client = calloc(1, sizeof *client);
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    if (client == NULL || ssl == NULL) {
        free(client);
        return NULL;
    }
    static const char *const ciphers[] = {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"};
    static const char *const suites[] = {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};
    SSL_set_cipher_list(ssl, ciphers[(choice >> 1) % 3]);
    SSL_set_ciphersuites(ssl, suites[(choice >> 1) % 3]);
    SSL_set_max_proto_version(ssl, choice & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(client->in, -1);
    SSL_set_bio(ssl, client->in, client->out);
    SSL_set_connect_state(ssl);
    client->ssl = ssl;
    fuzz_client_hear(client, NULL, 0);
    return client;
}

void fuzz_client_free(fuzz_client *client) {
    if (client == NULL) return;
    SSL_free(client->ssl);
    free(client);
}

static void judge(fuzz_client *client, int result) {
    switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_ZERO_RETURN: break;
    default: client->has_failed = 1;
    }
    ERR_clear_error();
}

int fuzz_client_hear(fuzz_client *client, const uint8_t *bytes, size_t count) {
    if (client->has_failed) return -1;
    if (count > 0) BIO_write(client->in, bytes, (int)count);
    if (!client->is_done) {
        int result = SSL_do_handshake(client->ssl);
        if (result == 1) client->is_done = 1;
        else judge(client, result);
    }
    while (client->is_done && !client->has_failed) {
        char plain[4096];
        int result = SSL_read(client->ssl, plain, sizeof plain);
        if (result > 0) continue;
        judge(client, result);
        break;
    }
    return client->has_failed ? -1 : client->is_done;
}

void fuzz_client_say(fuzz_client *client, const uint8_t *bytes, size_t count) {
    if (!client->is_done || client->has_failed || count == 0) return;
    SSL_write(client->ssl, bytes, (int)count);
    ERR_clear_error();
}

void fuzz_client_ask(fuzz_client *client, int what) {
    if (!client->is_done || client->has_failed) return;
    const int is_13 = SSL_version(client->ssl) == TLS1_3_VERSION;
    const int asks = what == 0 ? SSL_KEY_UPDATE_NOT_REQUESTED : SSL_KEY_UPDATE_REQUESTED;
    if (what < 2 && is_13) SSL_key_update(client->ssl, asks);
    if (what == 2) SSL_shutdown(client->ssl);
    if (what == 3 && !is_13) SSL_renegotiate(client->ssl);
    if (what != 2) SSL_do_handshake(client->ssl);
    ERR_clear_error();
}

size_t fuzz_client_take(fuzz_client *client, uint8_t *out, size_t capacity) {
    int count = BIO_read(client->out, out, (int)capacity);
    return count > 0 ? (size_t)count : 0;
}
