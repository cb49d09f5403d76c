// A client of TLS for the fuzzer: OpenSSL's own, over bytes in memory, with random numbers that a seed decides.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_client fuzz_client;

/// Makes a certificate and its key, and writes them to files whose paths it gives out. 1, or 0 on failure.
int fuzz_client_identity(char *certificate_path, char *key_path, size_t capacity);
/// From here on all random numbers of OpenSSL follow from the seed, the server's too.
void fuzz_client_seed(uint64_t seed);

/// A client with a hello to send. `choice` decides on version and suite. NULL on failure.
fuzz_client *fuzz_client_make(uint8_t choice);
void fuzz_client_free(fuzz_client *client);
/// Takes bytes of the server. 1: the handshake is done; 0: it is not; -1: the client cannot go on.
int fuzz_client_hear(fuzz_client *client, const uint8_t *bytes, size_t count);
/// Encrypts bytes. Nothing before the handshake is done.
void fuzz_client_say(fuzz_client *client, const uint8_t *bytes, size_t count);
/// Asks for something besides: 0 and 1 a key update, without and with an answer, 2 the end, 3 another handshake.
void fuzz_client_ask(fuzz_client *client, int what);
/// Takes what there is to send, at most `capacity` bytes.
size_t fuzz_client_take(fuzz_client *client, uint8_t *out, size_t capacity);
