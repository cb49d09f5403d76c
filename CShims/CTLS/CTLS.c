#include "CTLS.h"
#include "secrets.h"
#include <errno.h>
#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// MARK: Memory

// A session takes a record's buffer of 16 to 18 KiB for each read and write and gives it back at once. A few of them
// stay with the thread, so that this is no work for the allocator.
enum { RECORD_BYTES_MIN = 16 << 10, RECORD_BYTES_MAX = 18 << 10, RECORDS_KEPT_MAX = 4 };

static _Thread_local void *kept[RECORDS_KEPT_MAX];
static _Thread_local int kept_count;

static void *take_memory(size_t count, const char *file, int line) {
    (void)file, (void)line;
    if (count < RECORD_BYTES_MIN || count > RECORD_BYTES_MAX) return malloc(count);
    if (kept_count > 0) return kept[--kept_count];
    return malloc(RECORD_BYTES_MAX);
}

static void give_memory(void *memory, const char *file, int line) {
    (void)file, (void)line;
    if (memory == NULL) return;
    size_t usable = malloc_usable_size(memory);
    if (usable >= RECORD_BYTES_MAX && usable < RECORD_BYTES_MAX + 4096 && kept_count < RECORDS_KEPT_MAX)
        kept[kept_count++] = memory;
    else
        free(memory);
}

static void *change_memory(void *memory, size_t count, const char *file, int line) {
    (void)file, (void)line;
    return realloc(memory, count);
}

// Before anything asks OpenSSL for memory; it refuses the change later, and then works as well with what it has.
__attribute__((constructor)) static void use_own_memory(void) {
    CRYPTO_set_mem_functions(take_memory, change_memory, give_memory);
}

void ctls_thread_end(void) {
    while (kept_count > 0) free(kept[--kept_count]);
    OPENSSL_thread_stop();
}

// MARK: The wire

static int wire_read(BIO *bio, char *bytes, int capacity) {
    ctls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (capacity <= 0) return 0;
    if (wire->in_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = wire->in_count < (size_t)capacity ? wire->in_count : (size_t)capacity;
    memcpy(bytes, wire->in, count);
    wire->in += count;
    wire->in_count -= count;
    return (int)count;
}

static int wire_write(BIO *bio, const char *bytes, int count) {
    ctls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (count <= 0) return 0;
    size_t room = wire->out_capacity - wire->out_count;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t taken = (size_t)count < room ? (size_t)count : room;
    memcpy(wire->out + wire->out_count, bytes, taken);
    wire->out_count += taken;
    return (int)taken;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *wire_method;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static void make_wire_method(void) {
    wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    if (wire_method == NULL) return;
    BIO_meth_set_read(wire_method, wire_read);
    BIO_meth_set_write(wire_method, wire_write);
    BIO_meth_set_ctrl(wire_method, wire_control);
}

ctls_bio *ctls_bio_make(ctls_wire *wire) {
    pthread_once(&wire_once, make_wire_method);
    if (wire_method == NULL) return NULL;
    BIO *bio = BIO_new(wire_method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

void ctls_bio_free(ctls_bio *bio) { BIO_free(bio); }

// MARK: Tickets

// The keys of session tickets belong to the process, not to a context: they outlive a change of certificates. A new one
// every twelve hours; the one before it still opens tickets.
enum { TICKET_SECONDS = 12 * 3600, NAME_BYTES = 16, AES_BYTES = 32, HMAC_BYTES = 32, IV_BYTES = 16 };

typedef struct ticket_key {
    unsigned char name[NAME_BYTES];
    unsigned char aes[AES_BYTES];
    unsigned char hmac[HMAC_BYTES];
    time_t made;
} ticket_key;

static pthread_mutex_t ticket_lock = PTHREAD_MUTEX_INITIALIZER;
static ticket_key ticket_keys[2];

static int refresh_ticket_keys(time_t now) {
    if (ticket_keys[0].made != 0 && now - ticket_keys[0].made < TICKET_SECONDS && now >= ticket_keys[0].made) return 1;
    ticket_key fresh = {.made = now};
    if (RAND_bytes(fresh.name, NAME_BYTES) != 1 || RAND_bytes(fresh.aes, AES_BYTES) != 1 ||
        RAND_bytes(fresh.hmac, HMAC_BYTES) != 1)
        return 0;
    ticket_keys[1] = ticket_keys[0];
    ticket_keys[0] = fresh;
    return 1;
}

static int use_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                          int encrypts) {
    (void)ssl;
    time_t now = time(NULL);
    int index = 0;
    pthread_mutex_lock(&ticket_lock);
    int usable = refresh_ticket_keys(now);
    if (!encrypts) {
        while (index < 2 && memcmp(name, ticket_keys[index].name, NAME_BYTES) != 0) index++;
        if (index == 2 || ticket_keys[index].made == 0) usable = 0;
        else if (now - ticket_keys[index].made > 2 * TICKET_SECONDS) usable = 0;
    }
    ticket_key key = ticket_keys[index < 2 ? index : 0];
    pthread_mutex_unlock(&ticket_lock);
    int result = 0;
    if (usable) {
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac, HMAC_BYTES),
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
            OSSL_PARAM_construct_end(),
        };
        if (encrypts) memcpy(name, key.name, NAME_BYTES);
        if (encrypts && RAND_bytes(iv, IV_BYTES) != 1)
            result = -1;
        else if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv, encrypts) != 1 ||
                 EVP_MAC_CTX_set_params(mac, parameters) != 1)
            result = -1;
        else
            result = index == 0 ? 1 : 2; // 2: opened, and a new ticket shall replace it.
    } else if (encrypts) {
        result = -1;
    }
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

// MARK: A server

typedef struct server {
    size_t count;
    SSL_CTX **contexts;
    unsigned char **ocsp;
    long *ocsp_count;
    int64_t expiry;
} server;

static int server_index = -1;

static void free_server(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument) {
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    server *all = pointer;
    if (all == NULL) return;
    // The first context is the one that is going.
    for (size_t i = 1; i < all->count; i++) SSL_CTX_free(all->contexts[i]);
    for (size_t i = 0; i < all->count; i++) OPENSSL_free(all->ocsp[i]);
    free(all->contexts);
    free(all->ocsp);
    free(all->ocsp_count);
    free(all);
}

static int select_certificate(SSL *ssl, int *alert, void *argument) {
    (void)alert;
    const server *all = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == NULL || all->count < 2) return SSL_TLSEXT_ERR_OK;
    size_t length = strlen(name);
    for (size_t i = 0; i < all->count; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(all->contexts[i]);
        if (certificate != NULL && X509_check_host(certificate, name, length, 0, NULL) == 1) {
            if (i > 0 && SSL_set_SSL_CTX(ssl, all->contexts[i]) == NULL) return SSL_TLSEXT_ERR_ALERT_FATAL;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_count, const unsigned char *in,
                           unsigned int in_count, void *argument) {
    (void)ssl, (void)argument;
    static const unsigned char wanted[] = "http/1.1";
    for (unsigned int i = 0; i < in_count; i += 1u + in[i]) {
        if (in[i] == sizeof wanted - 1 && i + in[i] < in_count && memcmp(in + i + 1, wanted, in[i]) == 0) {
            *out = in + i + 1;
            *out_count = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int staple(SSL *ssl, void *argument) {
    (void)argument;
    SSL_CTX *context = SSL_get_SSL_CTX(ssl);
    // The first context of the server knows all of them; a session keeps it as the one it began with.
    const server *all = SSL_CTX_get_app_data(context);
    if (all == NULL) return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < all->count; i++) {
        if (all->contexts[i] != context || all->ocsp[i] == NULL) continue;
        unsigned char *copy = OPENSSL_memdup(all->ocsp[i], (size_t)all->ocsp_count[i]);
        if (copy == NULL) return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, all->ocsp_count[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

// MARK: Secrets

static int secrets_index = -1;

static void free_secrets(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument) {
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    if (pointer == NULL) return;
    OPENSSL_cleanse(pointer, sizeof(ctls_secrets));
    free(pointer);
}

ctls_secrets *ctls_secrets_of(const SSL *session) { return SSL_get_ex_data(session, secrets_index); }

static uint8_t take_hex(const char *text, uint8_t *out) {
    int count = 0;
    for (; text[0] != 0 && text[1] != 0 && count < SECRET_BYTES_MAX; text += 2, count++) {
        int high = OPENSSL_hexchar2int((unsigned char)text[0]), low = OPENSSL_hexchar2int((unsigned char)text[1]);
        if (high < 0 || low < 0) return 0;
        out[count] = (uint8_t)(high << 4 | low);
    }
    return text[0] == 0 ? (uint8_t)count : 0;
}

// OpenSSL tells secrets as a line: label, the client's random bytes in hex, the secret in hex.
static void note_secret(const SSL *ssl, const char *line) {
    static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
    ctls_secrets *secrets = ctls_secrets_of(ssl);
    const char *secret = strrchr(line, ' ');
    if (secrets == NULL || secret == NULL) return;
    if (strncmp(line, client, sizeof client - 1) == 0) secrets->client_count = take_hex(secret + 1, secrets->client);
    if (strncmp(line, server, sizeof server - 1) == 0) secrets->server_count = take_hex(secret + 1, secrets->server);
}

// How many records of encrypted data lie in a row; -1 when there is anything else.
static int count_records(const uint8_t *bytes, size_t count) {
    int records = 0;
    while (count > 0) {
        if (count < 5 || bytes[0] != 23) return -1;
        size_t length = 5 + ((size_t)bytes[3] << 8 | bytes[4]);
        if (length > count) return -1;
        bytes += length;
        count -= length;
        records++;
    }
    return records;
}

static void note_state(const SSL *ssl, int where, int result) {
    (void)result;
    if ((where & SSL_CB_LOOP) == 0) return;
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
    if (state == TLS_ST_SR_KEY_UPDATE || (state == TLS_ST_SR_CLNT_HELLO && SSL_is_init_finished(ssl))) {
        ctls_wire *wire = BIO_get_data(SSL_get_rbio(ssl));
        if (wire != NULL) wire->late_messages++;
    }
}

static int no_password(char *buffer, int size, int writes, void *argument) {
    (void)buffer, (void)size, (void)writes;
    *(int *)argument = 1;
    return 0;
}

static void explain(char *error, size_t capacity, const char *path, const char *what) {
    char reason[200] = "";
    // The oldest is the cause; those behind it only pass it on.
    unsigned long code = ERR_peek_error();
    if (code != 0) {
        const char *text = ERR_reason_error_string(code);
        if (ERR_SYSTEM_ERROR(code)) text = strerror(ERR_GET_REASON(code));
        if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
            text = "there is no -----BEGIN in it that fits: PEM is wanted (`openssl x509 -inform DER` and "
                   "`openssl pkey -inform DER` make it of DER)";
        if (text != NULL) snprintf(reason, sizeof reason, ": %s", text);
    }
    ERR_clear_error();
    snprintf(error, capacity, "%s: %s%s", path, what, reason);
}

static const char *const cipher_list =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// The shorter key first: it is as good, and faster.
static const char *const cipher_suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static SSL_CTX *make_bare_context(const ctls_options *options) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) return NULL;
    int lowest = options->version_min >= 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    static const unsigned char name[] = "clarion";
    if (SSL_CTX_set_min_proto_version(context, lowest) != 1 || SSL_CTX_set_cipher_list(context, cipher_list) != 1 ||
        SSL_CTX_set_ciphersuites(context, cipher_suites) != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set_session_id_context(context, name, sizeof name - 1) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Sessions live in tickets that clients keep, never in our memory.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, TICKET_SECONDS);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_ticket_key);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
    SSL_CTX_set_info_callback(context, note_state);
    SSL_CTX_set_keylog_callback(context, note_secret);
    SSL_CTX_set_max_early_data(context, 0);
    return context;
}

static int load_identity(SSL_CTX *context, const ctls_identity *identity, int64_t *expiry, char *error,
                         size_t capacity) {
    int is_encrypted = 0;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &is_encrypted);
    int loaded = SSL_CTX_use_certificate_chain_file(context, identity->certificate_path) == 1;
    if (!loaded) {
        explain(error, capacity, identity->certificate_path, "the certificate cannot be used");
    } else if (SSL_CTX_use_PrivateKey_file(context, identity->key_path, SSL_FILETYPE_PEM) != 1) {
        int mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                       ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
        char what[200];
        snprintf(what, sizeof what, "%s",
                 is_encrypted ? "the key is encrypted, and there is nobody to ask for its password"
                              : mismatch ? "the key does not belong to the certificate" : "the key cannot be used");
        if (is_encrypted || mismatch) ERR_clear_error();
        explain(error, capacity, identity->key_path, what);
        loaded = 0;
    } else if (SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        explain(error, capacity, identity->key_path, "the key does not belong to the certificate");
        loaded = 0;
    }
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (!loaded) return 0;
    X509 *certificate = SSL_CTX_get0_certificate(context);
    struct tm end = {0};
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        explain(error, capacity, identity->certificate_path, "the certificate has no time");
        return 0;
    }
    int64_t seconds = (int64_t)timegm(&end);
    char day[32] = "";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        strftime(day, sizeof day, "%Y-%m-%d", &end);
        snprintf(error, capacity, "%s: the certificate expired on %s", identity->certificate_path, day);
        return 0;
    }
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        snprintf(error, capacity, "%s: the certificate is not valid yet", identity->certificate_path);
        return 0;
    }
    if (*expiry == 0 || seconds < *expiry) *expiry = seconds;
    return 1;
}

static int load_ocsp(const char *path, unsigned char **bytes, long *count, char *error, size_t capacity) {
    enum { OCSP_BYTES_MAX = 64 << 10 };
    FILE *file = fopen(path, "re");
    unsigned char *memory = OPENSSL_malloc(OCSP_BYTES_MAX);
    size_t got = file != NULL && memory != NULL ? fread(memory, 1, OCSP_BYTES_MAX, file) : 0;
    int failure = errno;
    if (file != NULL) fclose(file);
    // An answer is an ASN.1 sequence.
    if (got > 2 && got < OCSP_BYTES_MAX && memory[0] == 0x30) {
        *bytes = memory;
        *count = (long)got;
        return 1;
    }
    OPENSSL_free(memory);
    if (file == NULL)
        snprintf(error, capacity, "%s: cannot be read: %s", path, strerror(failure));
    else
        snprintf(error, capacity, "%s: not an OCSP answer in DER", path);
    return 0;
}

static int ask_clients(SSL_CTX *context, const ctls_options *options, char *error, size_t capacity) {
    if (options->client_ca_path == NULL) return 1;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca_path);
    if (names == NULL || SSL_CTX_load_verify_file(context, options->client_ca_path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        explain(error, capacity, options->client_ca_path, "the certificates of clients' issuers cannot be used");
        return 0;
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(
        context, SSL_VERIFY_PEER | (options->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    return 1;
}

static pthread_once_t server_once = PTHREAD_ONCE_INIT;
static void make_server_index(void) {
    server_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_server);
    secrets_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_secrets);
}

ctls_context *ctls_context_make(const ctls_options *options, char *error, size_t capacity) {
    pthread_once(&server_once, make_server_index);
    error[0] = 0;
    size_t count = options->identity_count;
    server *all = calloc(1, sizeof *all);
    if (all != NULL) {
        all->contexts = calloc(count, sizeof *all->contexts);
        all->ocsp = calloc(count, sizeof *all->ocsp);
        all->ocsp_count = calloc(count, sizeof *all->ocsp_count);
    }
    int good = all != NULL && all->contexts != NULL && all->ocsp != NULL && all->ocsp_count != NULL && count > 0 &&
               server_index >= 0 && secrets_index >= 0;
    for (size_t i = 0; good && i < count; i++) {
        SSL_CTX *context = make_bare_context(options);
        if (context == NULL) {
            good = 0;
            break;
        }
        all->contexts[i] = context;
        all->count = i + 1;
        const ctls_identity *identity = &options->identities[i];
        good = load_identity(context, identity, &all->expiry, error, capacity) &&
               ask_clients(context, options, error, capacity) &&
               (identity->ocsp_path == NULL ||
                load_ocsp(identity->ocsp_path, &all->ocsp[i], &all->ocsp_count[i], error, capacity));
        if (!good) break;
        SSL_CTX_set_app_data(context, all);
        SSL_CTX_set_tlsext_status_cb(context, staple);
        SSL_CTX_set_tlsext_servername_callback(context, select_certificate);
        SSL_CTX_set_tlsext_servername_arg(context, all);
    }
    if (good && SSL_CTX_set_ex_data(all->contexts[0], server_index, all) == 1) return all->contexts[0];
    if (error[0] == 0) explain(error, capacity, "TLS", "no memory, or a library without what is needed");
    if (all != NULL) {
        SSL_CTX *first = all->contexts != NULL ? all->contexts[0] : NULL;
        if (all->contexts != NULL && all->ocsp != NULL && all->ocsp_count != NULL) {
            free_server(NULL, all, NULL, 0, 0, NULL);
        } else {
            free(all->contexts);
            free(all->ocsp);
            free(all->ocsp_count);
            free(all);
        }
        SSL_CTX_free(first);
    }
    return NULL;
}

void ctls_context_free(ctls_context *context) { SSL_CTX_free(context); }

int64_t ctls_context_expiry(const ctls_context *context) {
    const server *all = SSL_CTX_get_ex_data(context, server_index);
    return all != NULL ? all->expiry : 0;
}

// MARK: Sessions

ctls_session *ctls_session_make(ctls_context *context, ctls_bio *bio) {
    SSL *session = SSL_new(context);
    if (session == NULL) {
        ERR_clear_error();
        return NULL;
    }
    BIO_up_ref(bio);
    SSL_set0_rbio(session, bio);
    BIO_up_ref(bio);
    SSL_set0_wbio(session, bio);
    SSL_set_accept_state(session);
    ctls_secrets *secrets = calloc(1, sizeof *secrets);
    if (secrets != NULL && SSL_set_ex_data(session, secrets_index, secrets) != 1) free(secrets);
    return session;
}

void ctls_session_free(ctls_session *session) { SSL_free(session); }

static int outcome(SSL *session, int result) {
    int error = SSL_get_error(session, result);
    switch (error) {
    case SSL_ERROR_WANT_READ: return CTLS_MORE;
    case SSL_ERROR_WANT_WRITE: return CTLS_FULL;
    case SSL_ERROR_ZERO_RETURN: return CTLS_ENDED;
    default: break;
    }
    // The queue of errors belongs to the thread: what stands in it would be taken for the next session's.
    ERR_clear_error();
    return CTLS_FAILED;
}

int ctls_handshake(ctls_session *session) {
    const ctls_wire *wire = BIO_get_data(SSL_get_rbio(session));
    const size_t written = wire->out_count;
    ctls_secrets *secrets = ctls_secrets_of(session);
    const int result = SSL_do_handshake(session);
    if (secrets != NULL) ctls_note_changed(secrets, wire->out + written, wire->out_count - written);
    if (result == 1) {
        // The step that reads the client's last message writes nothing but tickets, the connection's first records.
        if (secrets != NULL && secrets->late_records == 0)
            secrets->late_records = count_records(wire->out + written, wire->out_count - written);
        return CTLS_DONE;
    }
    int told = outcome(session, result);
    // What is cut cannot be counted.
    if (told == CTLS_FULL && secrets != NULL) {
        secrets->changed_records = -1;
        if (secrets->client_count > 0) secrets->late_records = -1;
    }
    return told == CTLS_ENDED ? CTLS_FAILED : told;
}

int ctls_is_resumed(const ctls_session *session) { return SSL_session_reused(session); }

int ctls_read(ctls_session *session, void *bytes, int capacity) {
    int result = SSL_read(session, bytes, capacity);
    return result > 0 ? result : outcome(session, result);
}

int ctls_has_pending(const ctls_session *session) { return SSL_has_pending(session); }

int ctls_write(ctls_session *session, const void *bytes, size_t count) {
    size_t written = 0;
    int result = SSL_write_ex(session, bytes, count, &written);
    if (result == 1 && written == count) return 1;
    ERR_clear_error();
    return 0;
}

size_t ctls_sealed_bound(size_t count) {
    // Clients may want records of 512 bytes (RFC 6066 section 4). Each has a head, a tag and at most 8 bytes of nonce
    // or one of type: all ciphers are AEAD. A key update may go before it.
    return count + (count / 512 + 1) * 32 + 128;
}

void ctls_end(ctls_session *session) {
    if (!SSL_is_init_finished(session)) return;
    SSL_shutdown(session);
    ERR_clear_error();
}
