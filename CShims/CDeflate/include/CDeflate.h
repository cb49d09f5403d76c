// Raw DEFLATE streams of zlib (RFC 1951) behind two opaque types. Imported by Wire only.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct cdeflate_encoder cdeflate_encoder;
typedef struct cdeflate_decoder cdeflate_decoder;

/// What a step ended with.
enum {
    /// All input was taken and all output of it written.
    CDEFLATE_DONE = 0,
    /// The output is full: call again with the rest of the input and more room.
    CDEFLATE_OUTPUT_FULL = 1,
    /// The decoder is behind a block with BFINAL; what follows, if anything, is a new one.
    CDEFLATE_FINAL = 2,
    /// The input is no DEFLATE data, or zlib has no memory. The stream is of no use any more.
    CDEFLATE_BAD = -1,
};

/// Bytes that an encoder and a decoder take, counted generously: what budgets reckon with.
size_t cdeflate_encoder_bytes(int windowBits, int memoryLevel);
size_t cdeflate_decoder_bytes(int windowBits);

/// NULL when there is no memory. windowBits 9...15, memoryLevel 1...9, level 1...9.
cdeflate_encoder *cdeflate_encoder_make(int level, int windowBits, int memoryLevel);
void cdeflate_encoder_free(cdeflate_encoder *encoder);
/// Forgets what it has seen: what comes refers to nothing before.
void cdeflate_encoder_reset(cdeflate_encoder *encoder);
/// Compresses `count` bytes. `ends`: everything is written out and ends on a byte with an empty stored block
/// (00 00 ff ff at the end). Tells how many bytes it took and wrote.
int cdeflate_encode(cdeflate_encoder *encoder, const uint8_t *bytes, size_t count, int ends, uint8_t *output,
                    size_t capacity, size_t *taken, size_t *written);

/// NULL when there is no memory. windowBits 8...15.
cdeflate_decoder *cdeflate_decoder_make(int windowBits);
void cdeflate_decoder_free(cdeflate_decoder *decoder);
/// Forgets what it has seen, also after bad input.
void cdeflate_decoder_reset(cdeflate_decoder *decoder);
/// After CDEFLATE_FINAL: goes on with a new block, keeping the window.
void cdeflate_decoder_continue(cdeflate_decoder *decoder);
int cdeflate_decode(cdeflate_decoder *decoder, const uint8_t *bytes, size_t count, uint8_t *output, size_t capacity,
                    size_t *taken, size_t *written);
/// Whether it stands between two blocks.
int cdeflate_decoder_is_between_blocks(const cdeflate_decoder *decoder);
/// The four bytes 00 00 ff ff, which senders leave out at the end of a message.
const uint8_t *cdeflate_tail(void);
