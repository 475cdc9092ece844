#include "tests/support/transcript.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/hex.h"
#include "tests/support/viv_test.h"

void viv_transcript_open(struct viv_transcript *transcript, const char *name)
{
    char path[1024];
    const char *top = getenv("VIV_SOURCE_DIR");
    *transcript = (struct viv_transcript){0};
    snprintf(path, sizeof path, "%s/tests/unit/prepare/%s", top == NULL ? "." : top, name);
    transcript->file = fopen(path, "r");
    cr_assert_not_null(transcript->file, "cannot read %s", path);
}

void viv_transcript_close(struct viv_transcript *transcript)
{
    fclose(transcript->file);
    viv_buffer_fini(&transcript->record);
    viv_buffer_fini(&transcript->answer);
    viv_buffer_fini(&transcript->authinfo);
}

static void identify(struct viv_transcript *transcript)
{
    bool is_alice = strcmp(transcript->who, "alice") == 0;
    viv_buffer_clear(&transcript->authinfo);
    viv_jute_write_int(&transcript->authinfo, is_alice ? 2 : 1);
    if (is_alice) { /* first, as the reference server's set happened to have it */
        viv_jute_write_text(&transcript->authinfo, "digest");
        viv_jute_write_text(&transcript->authinfo, "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    }
    viv_jute_write_text(&transcript->authinfo, "ip");
    viv_jute_write_text(&transcript->authinfo, "127.0.0.1");
}

static void take_hex(struct viv_buffer *out, const char *text)
{
    viv_buffer_clear(out);
    if (strcmp(text, "-") != 0) {
        viv_hex_append(out, text);
    }
}

bool viv_transcript_next(struct viv_transcript *transcript)
{
    static const char blanks[] = " \n";
    char *rest;

    do {
        if (fgets(transcript->line, sizeof transcript->line, transcript->file) == NULL) {
            return false;
        }
    } while (transcript->line[0] == '#');
    snprintf(transcript->who, sizeof transcript->who, "%s", strtok_r(transcript->line, blanks, &rest));
    transcript->op = (int32_t)strtol(strtok_r(NULL, blanks, &rest), NULL, 10);
    take_hex(&transcript->record, strtok_r(NULL, blanks, &rest));
    const char *answer = strtok_r(NULL, blanks, &rest);
    const char *last = strtok_r(NULL, blanks, &rest);
    transcript->code = last == NULL ? 0 : (int32_t)strtol(answer, NULL, 10);
    take_hex(&transcript->answer, last == NULL ? answer : last);
    identify(transcript);
    return true;
}

struct viv_txn_header viv_transcript_header(const struct viv_transcript *transcript)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&transcript->answer));
    struct viv_txn_header header;
    viv_txn_header_decode(&reader, &header);
    cr_assert_not(reader.bad);
    return header;
}
