#include "node/policy.h"

static uint64_t given_or(uint64_t given, uint64_t fallback)
{
    return given != 0 ? given : fallback;
}

void viv_node_policy_complete(struct viv_node_policy *policy)
{
    policy->outstanding_count = given_or(policy->outstanding_count, VIV_OUTSTANDING_MAX);
    policy->outstanding_bytes = given_or(policy->outstanding_bytes, VIV_OUTSTANDING_BYTES_MAX);
    policy->outstanding_per_connection_count =
        given_or(policy->outstanding_per_connection_count, VIV_OUTSTANDING_PER_CONNECTION_MAX);
    policy->watches_count = given_or(policy->watches_count, VIV_WATCHES_MAX);
    policy->watches_per_connection_count =
        given_or(policy->watches_per_connection_count, VIV_WATCHES_PER_CONNECTION_MAX);
    policy->sessions_count = given_or(policy->sessions_count, VIV_SESSIONS_MAX);
    policy->new_sessions_per_second = given_or(policy->new_sessions_per_second, VIV_NEW_SESSIONS_PER_SECOND_MAX);
    policy->handshake_ms = given_or(policy->handshake_ms, VIV_HANDSHAKE_MS_MAX);
    policy->reply_bytes = given_or(policy->reply_bytes, VIV_REPLY_BYTES_MAX);
}

static void keep(struct viv_buffer *texts, struct viv_bytes text)
{
    viv_buffer_append_bytes(texts, text);
}

static struct viv_bytes kept(const struct viv_buffer *texts, size_t *at, size_t size)
{
    struct viv_bytes text = viv_bytes_of(texts->data + *at, size);
    *at += size;
    return text;
}

void viv_node_policy_keep_texts(struct viv_node_policy *policy, struct viv_buffer *texts)
{
    size_t at = 0;
    keep(texts, policy->schemes_required);
    keep(texts, policy->super_digest);
    keep(texts, policy->ensemble_names);
    policy->schemes_required = kept(texts, &at, policy->schemes_required.size);
    policy->super_digest = kept(texts, &at, policy->super_digest.size);
    policy->ensemble_names = kept(texts, &at, policy->ensemble_names.size);
}

bool viv_node_policy_lists(struct viv_bytes list, struct viv_bytes name)
{
    size_t from = 0;
    for (size_t i = 0; i <= list.size; i++) {
        if (i == list.size || list.data[i] == ',') {
            if (viv_bytes_equal(viv_bytes_of(list.data + from, i - from), name)) {
                return true;
            }
            from = i + 1;
        }
    }
    return false;
}
