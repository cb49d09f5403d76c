#include "CBench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct cbench_tls_context {
    SSL_CTX *context;
    SSL_SESSION *latest;
};

// Keeps the latest session, which later connections may resume.
static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct cbench_tls_context *mine = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(mine->latest);
    mine->latest = session;
    return 1;
}

struct cbench_tls_context *cbench_tls_context(const char *ca) {
    struct cbench_tls_context *mine = calloc(1, sizeof *mine);
    if (mine == NULL) return NULL;
    mine->context = SSL_CTX_new(TLS_client_method());
    if (mine->context == NULL) goto failed;
    SSL_CTX_set_app_data(mine->context, mine);
    SSL_CTX_set_mode(
        mine->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(mine->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(mine->context, keep_session);
    if (ca != NULL) {
        if (SSL_CTX_load_verify_locations(mine->context, ca, NULL) != 1) goto failed;
        SSL_CTX_set_verify(mine->context, SSL_VERIFY_PEER, NULL);
    }
    return mine;
failed:
    SSL_CTX_free(mine->context);
    free(mine);
    return NULL;
}

void cbench_tls_context_free(struct cbench_tls_context *mine) {
    SSL_SESSION_free(mine->latest);
    SSL_CTX_free(mine->context);
    free(mine);
}

struct cbench_tls *cbench_tls_open(struct cbench_tls_context *mine, int fd, const char *host, int resumes) {
    SSL *ssl = SSL_new(mine->context);
    if (ssl == NULL) return NULL;
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    } else {
        SSL_set_tlsext_host_name(ssl, host);
        SSL_set1_host(ssl, host);
    }
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (resumes && mine->latest != NULL) SSL_set_session(ssl, mine->latest);
    SSL_set_connect_state(ssl);
    return (struct cbench_tls *)ssl;
}

int cbench_tls_handshake(struct cbench_tls *tls) {
    SSL *ssl = (SSL *)tls;
    ERR_clear_error();
    int code = SSL_do_handshake(ssl);
    if (code == 1) return 1;
    int why = SSL_get_error(ssl, code);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int cbench_tls_is_resumed(const struct cbench_tls *tls) { return SSL_session_reused((SSL *)tls); }

// What an OpenSSL call's failure is in the terms of recv(2) and send(2).
static ssize_t outcome(SSL *ssl, int code) {
    switch (SSL_get_error(ssl, code)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return -ECONNRESET;
    }
}

ssize_t cbench_tls_receive(struct cbench_tls *tls, void *bytes, size_t count) {
    size_t got = 0;
    ERR_clear_error();
    int code = SSL_read_ex((SSL *)tls, bytes, count, &got);
    return code == 1 ? (ssize_t)got : outcome((SSL *)tls, code);
}

ssize_t cbench_tls_send(struct cbench_tls *tls, const void *bytes, size_t count) {
    size_t sent = 0;
    ERR_clear_error();
    int code = SSL_write_ex((SSL *)tls, bytes, count, &sent);
    if (code == 1) return (ssize_t)sent;
    ssize_t why = outcome((SSL *)tls, code);
    return why == 0 ? -ECONNRESET : why;
}

void cbench_tls_close(struct cbench_tls *tls, int says_so) {
    ERR_clear_error();
    // A connection that is freed without any shutdown takes its session with it, which others may want to resume.
    if (!says_so) SSL_set_quiet_shutdown((SSL *)tls, 1);
    SSL_shutdown((SSL *)tls);
    SSL_free((SSL *)tls);
}

void cbench_tls_reason(const struct cbench_tls *tls, char *text, size_t count) {
    long verdict = tls == NULL ? X509_V_OK : SSL_get_verify_result((SSL *)tls);
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? "the connection ended" : ERR_reason_error_string(code);
    if (verdict != X509_V_OK) reason = X509_verify_cert_error_string(verdict);
    snprintf(text, count, "%s", reason == NULL ? "no reason given" : reason);
}
