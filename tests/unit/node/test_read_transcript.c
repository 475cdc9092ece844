#include <stdlib.h>

#include "node/read_path.h"
#include "tests/support/transcript.h"
#include "tests/support/viv_test.h"
#include "tree/apply.h"

/* reads.txt holds what a real server answered when it had applied the first transactions of requests.txt, Stat and all.
 */

enum { CHANGES = 423, READS_MIN = 500, CONN = 1, CHILDREN_MAX = 64 };

static struct viv_tree *replayed_tree(void)
{
    struct viv_transcript transcript;
    struct viv_arena arena = {0};
    struct viv_applied applied;
    struct viv_tree *tree = viv_tree_new();

    viv_transcript_open(&transcript, "requests.txt");
    for (int i = 0; i < CHANGES; i++) {
        cr_assert(viv_transcript_next(&transcript));
        viv_arena_reset(&arena);
        viv_tree_apply(tree, viv_buffer_bytes(&transcript.answer), VIV_APPLY_LIVE, &arena, &applied);
        cr_assert_not(applied.malformed);
    }
    viv_transcript_close(&transcript);
    viv_arena_fini(&arena);
    return tree;
}

static int compare_bytes(const void *a, const void *b)
{
    return viv_bytes_compare(*(const struct viv_bytes *)a, *(const struct viv_bytes *)b);
}

/* Children come in any order. */
static void sort_children(struct viv_buffer *reply)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(reply));
    struct viv_bytes names[CHILDREN_MAX];
    struct viv_buffer sorted = {0};
    int32_t count = viv_jute_read_count(&reader, 4);

    cr_assert(count >= 0 && count < CHILDREN_MAX);
    for (int32_t i = 0; i < count; i++) {
        names[i] = viv_jute_read_buffer(&reader).bytes;
    }
    cr_assert_not(reader.bad);
    qsort(names, (size_t)count, sizeof names[0], compare_bytes);
    viv_jute_write_int(&sorted, count);
    for (int32_t i = 0; i < count; i++) {
        viv_jute_write_bytes(&sorted, names[i]);
    }
    viv_buffer_append_bytes(&sorted, reader.rest);
    viv_buffer_fini(reply);
    *reply = sorted;
}

static int64_t session_of(const char *who)
{
    struct viv_transcript transcript;
    int64_t session_id = 0;

    viv_transcript_open(&transcript, "requests.txt");
    while (session_id == 0 && viv_transcript_next(&transcript)) {
        bool is_it = viv_bytes_equal(viv_bytes_text(transcript.who), viv_bytes_text(who));
        session_id = is_it ? viv_transcript_header(&transcript).session_id : 0;
    }
    viv_transcript_close(&transcript);
    return session_id;
}

VIV_TEST(node_read_transcript, every_answer_is_zookeepers_byte_for_byte)
{
    struct viv_transcript transcript;
    struct viv_tree *tree = replayed_tree();
    struct viv_watches *watches = viv_watches_new();
    struct viv_read_bounds bounds = {UINT64_MAX, UINT64_MAX, UINT64_MAX, false, 0};
    struct viv_buffer events = {0}, reply = {0};
    int count = 0;

    viv_transcript_open(&transcript, "reads.txt");
    for (; viv_transcript_next(&transcript); count++) {
        struct viv_read read = {CONN,
                                session_of(transcript.who),
                                transcript.op,
                                viv_buffer_bytes(&transcript.record),
                                viv_buffer_bytes(&transcript.authinfo),
                                &bounds, false};
        viv_buffer_clear(&reply);
        int32_t code = viv_read_serve(tree, watches, &read, &events, &reply);
        if (code == 0 && (read.op == VIV_OP_GET_CHILDREN || read.op == VIV_OP_GET_CHILDREN2)) {
            sort_children(&reply);
        }
        cr_assert_eq(code, transcript.code, "read %d, op %d: %d instead of %d", count, read.op, code, transcript.code);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&reply), viv_buffer_bytes(&transcript.answer)),
                  "read %d, op %d: another answer", count, read.op);
    }
    cr_assert_gt(count, READS_MIN);
    viv_transcript_close(&transcript);
    viv_watches_free(watches);
    viv_tree_free(tree);
    viv_buffer_fini(&events);
    viv_buffer_fini(&reply);
}
