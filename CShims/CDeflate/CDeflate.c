#include "CDeflate.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct cdeflate_encoder {
    z_stream stream;
};

struct cdeflate_decoder {
    z_stream stream;
};

// zlib's own figures (zconf.h), and what its internal states take beside the windows and tables.
static const size_t encoder_state_bytes = 6 << 10;
static const size_t decoder_state_bytes = 8 << 10;
// One step takes no more than a uInt counts.
static const size_t step_bytes_max = 1u << 30;

size_t cdeflate_encoder_bytes(int windowBits, int memoryLevel) {
    return ((size_t)1 << (windowBits + 2)) + ((size_t)1 << (memoryLevel + 9)) + encoder_state_bytes;
}

size_t cdeflate_decoder_bytes(int windowBits) { return ((size_t)1 << windowBits) + decoder_state_bytes; }

static size_t clamped(size_t count) { return count > step_bytes_max ? step_bytes_max : count; }

cdeflate_encoder *cdeflate_encoder_make(int level, int windowBits, int memoryLevel) {
    cdeflate_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) return NULL;
    if (deflateInit2(&encoder->stream, level, Z_DEFLATED, -windowBits, memoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(encoder);
        return NULL;
    }
    return encoder;
}

void cdeflate_encoder_free(cdeflate_encoder *encoder) {
    deflateEnd(&encoder->stream);
    free(encoder);
}

void cdeflate_encoder_reset(cdeflate_encoder *encoder) { deflateReset(&encoder->stream); }

int cdeflate_encode(cdeflate_encoder *encoder, const uint8_t *bytes, size_t count, int ends, uint8_t *output,
                    size_t capacity, size_t *taken, size_t *written) {
    z_stream *stream = &encoder->stream;
    stream->next_in = (Bytef *)bytes;
    stream->avail_in = (uInt)clamped(count);
    stream->next_out = output;
    stream->avail_out = (uInt)clamped(capacity);
    int result = deflate(stream, ends && count <= step_bytes_max ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    *taken = (size_t)(stream->next_in - (Bytef *)bytes);
    *written = (size_t)(stream->next_out - output);
    stream->next_in = NULL;
    stream->next_out = NULL;
    if (result != Z_OK && result != Z_BUF_ERROR) return CDEFLATE_BAD;
    // A flush that has no room left is not over; nor is one that just filled it (zlib.h, deflate).
    if (*taken < count || stream->avail_out == 0) return CDEFLATE_OUTPUT_FULL;
    return CDEFLATE_DONE;
}

cdeflate_decoder *cdeflate_decoder_make(int windowBits) {
    cdeflate_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) return NULL;
    if (inflateInit2(&decoder->stream, -windowBits) != Z_OK) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void cdeflate_decoder_free(cdeflate_decoder *decoder) {
    inflateEnd(&decoder->stream);
    free(decoder);
}

void cdeflate_decoder_reset(cdeflate_decoder *decoder) { inflateReset(&decoder->stream); }

void cdeflate_decoder_continue(cdeflate_decoder *decoder) { inflateResetKeep(&decoder->stream); }

int cdeflate_decode(cdeflate_decoder *decoder, const uint8_t *bytes, size_t count, uint8_t *output, size_t capacity,
                    size_t *taken, size_t *written) {
    z_stream *stream = &decoder->stream;
    stream->next_in = (Bytef *)bytes;
    stream->avail_in = (uInt)clamped(count);
    stream->next_out = output;
    stream->avail_out = (uInt)clamped(capacity);
    int result = inflate(stream, Z_SYNC_FLUSH);
    *taken = (size_t)(stream->next_in - (Bytef *)bytes);
    *written = (size_t)(stream->next_out - output);
    size_t room = stream->avail_out;
    stream->next_in = NULL;
    stream->next_out = NULL;
    if (result == Z_STREAM_END) return CDEFLATE_FINAL;
    if (result != Z_OK && result != Z_BUF_ERROR) return CDEFLATE_BAD;
    if (*taken < count || room == 0) return CDEFLATE_OUTPUT_FULL;
    return CDEFLATE_DONE;
}

int cdeflate_decoder_is_between_blocks(const cdeflate_decoder *decoder) {
    return (decoder->stream.data_type & 128) != 0;
}

const uint8_t *cdeflate_tail(void) {
    static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};
    return tail;
}
