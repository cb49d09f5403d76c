#include "CBench.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct cbench_inflater {
    z_stream stream;
    unsigned char scratch[16384];
};

struct cbench_inflater *cbench_inflater(int window_bits) {
    struct cbench_inflater *mine = calloc(1, sizeof *mine);
    if (mine == NULL) return NULL;
    if (inflateInit2(&mine->stream, -window_bits) == Z_OK) return mine;
    free(mine);
    return NULL;
}

void cbench_inflater_free(struct cbench_inflater *mine) {
    inflateEnd(&mine->stream);
    free(mine);
}

// Feeds `count` bytes; what comes of them goes into `out` as far as it fits. 0, or -1 when they make no sense.
static int feed(
    struct cbench_inflater *mine, const void *bytes, size_t count, unsigned char *out, size_t max, size_t *total) {
    z_stream *stream = &mine->stream;
    stream->next_in = (Bytef *)bytes;
    stream->avail_in = (uInt)count;
    for (;;) {
        int fits = *total < max;
        stream->next_out = fits ? out + *total : mine->scratch;
        size_t room = fits ? max - *total : sizeof mine->scratch;
        stream->avail_out = (uInt)room;
        int code = inflate(stream, Z_SYNC_FLUSH);
        *total += room - stream->avail_out;
        if (code == Z_STREAM_END) {  // a final block: what follows begins anew (RFC 7692, section 7.2.3.4)
            if (inflateReset(stream) != Z_OK) return -1;
            if (stream->avail_in == 0) return 0;
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return -1;
        } else if (stream->avail_out > 0 && stream->avail_in == 0) {
            return 0;
        } else if (code == Z_BUF_ERROR && stream->avail_out > 0) {
            return -1;
        }
    }
}

ssize_t cbench_inflate(
    struct cbench_inflater *mine, const void *bytes, size_t count, void *out, size_t max, int resets) {
    static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};
    size_t total = 0;
    if (resets && inflateReset(&mine->stream) != Z_OK) return -1;
    if (feed(mine, bytes, count, out, max, &total) != 0) return -1;
    if (feed(mine, tail, sizeof tail, out, max, &total) != 0) return -1;
    return (ssize_t)total;
}
